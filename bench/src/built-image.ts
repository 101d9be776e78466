import { currentImage, defaultCacheDirectory } from "@opensandbox/image"
import { ImageShelf, type Image } from "@opensandbox/vm"

/** The image that sandboxes get. @param shelf A directory, which gets a copy. @throws Error when none was built. */
export async function builtImage(shelf: string): Promise<Image> {
  const built = await currentImage(defaultCacheDirectory())
  if (built === undefined) throw new Error('there is no image: run "npm run setup"')
  return new ImageShelf(shelf).add(built)
}
