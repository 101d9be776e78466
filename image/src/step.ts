/** Does one step of a build and tells the person who waits for it; `title` names it. */
export type Step = <T>(title: string, work: () => Promise<T>) => Promise<T>
