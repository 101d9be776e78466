/** What one check of the host found. */
export interface Finding {
  name: string
  /** `warning`: OpenSandbox works, but not as it should. `failed`: it does not work. */
  state: "ok" | "warning" | "failed"
  found: string
  /** What to do about it. */
  mend?: string
}

export const ok = (name: string, found: string): Finding => ({ name, state: "ok", found })

export const warning = (name: string, found: string, mend: string): Finding => ({
  name,
  state: "warning",
  found,
  mend,
})

export const failed = (name: string, found: string, mend: string): Finding => ({
  name,
  state: "failed",
  found,
  mend,
})
