import type { Failpoint } from "./names.js"

/** Marks a step of which tests try what happens when the server does not get beyond it. Does nothing here. */
export const failpoint: (step: Failpoint) => void = () => undefined
