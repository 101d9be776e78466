import { excludedPaths, kernelMetaPackage, packages, type Suite } from "./recipe.js"

/** Runs beside the new root ("$1") with apt set up for it, and leaves the kernel's package in its /boot. */
const fetchKernel = [
  `kernel=$(apt-cache depends ${kernelMetaPackage} | sed -n 's/.*Depends: \\(linux-image-.*\\)/\\1/p' | head -n 1)`,
  'cd "$1/boot"',
  'apt-get download "$kernel"',
].join(" && ")

export interface Bootstrap {
  suite: Suite
  /** Undefined: mmdebstrap's own default. */
  mirror: string | undefined
  asRoot: boolean
  /** The tar archive to write. */
  archive: string
}

/** The arguments with which mmdebstrap makes the archive that assemble-system.sh takes apart. */
export function mmdebstrapArguments({ suite, mirror, asRoot, archive }: Bootstrap): string[] {
  return [
    `--mode=${asRoot ? "root" : "unshare"}`,
    "--format=tar",
    "--variant=minbase",
    "--architectures=amd64",
    "--skip=output/dev",
    `--include=${packages.join(",")}`,
    `--aptopt=Acquire::Languages "none"`,
    `--aptopt=Acquire::Retries "3"`,
    ...excludedPaths.map((path) => `--dpkgopt=path-exclude=${path}`),
    // Licences stay: whoever hands on an image hands them on too.
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    `--customize-hook=export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" && ${fetchKernel}`,
    suite,
    archive,
    ...(mirror === undefined ? [] : [mirror]),
  ]
}
