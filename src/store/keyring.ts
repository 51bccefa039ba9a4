/**
 * The keyring of the operating system. It is reached through `@napi-rs/keyring`, an optional peer dependency that is
 * loaded here and only then.
 */
import { createRequire } from "node:module"

export interface Item {
  readonly getPassword: () => string | null
  readonly setPassword: (password: string) => void
}

interface Keyring {
  readonly Entry: new (
    service: string,
    account: string,
    /** On Linux an item may be in the Secret Service or, for want of one, in the kernel's keyring. */
    options?: { readonly linux: { readonly store: "secret-service" } },
  ) => Item
  readonly findCredentials: (service: string) => ReadonlyArray<{ readonly account: string }>
}

/** Absent: the package is not installed. */
export const load = (): Keyring | undefined => {
  try {
    return createRequire(import.meta.url)("@napi-rs/keyring") as Keyring
  } catch {
    return undefined
  }
}
