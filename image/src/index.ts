export { buildImage, type ImageRequest } from "./build-image.js"
export { BuildError } from "./build-error.js"
export { currentImage, defaultCacheDirectory } from "./cache.js"
export type { Step } from "./step.js"
