/**
 * Logins that programs keep in the keyring of the operating system: a place is written `keyring:SERVICE/ACCOUNT`, and
 * `keyring:SERVICE/*` stands for all accounts.
 */
import * as Keyring from "../store/keyring.ts"
import { Unreadable } from "./ForeignStore.ts"

const scheme = "keyring:"

export const isPlace = (place: string): boolean => place.startsWith(scheme)

export const placeOf = (service: string, account: string): string => `${scheme}${service}/${account}`

const partsOf = (place: string): readonly [service: string, account: string] => {
  const [, service, account] = /^keyring:([^/]+)\/(.+)$/s.exec(place) ?? []
  if (service === undefined || account === undefined) {
    throw new Unreadable("a place in the keyring is written keyring:SERVICE/ACCOUNT")
  }
  return [service, account]
}

export const accountOf = (place: string): string => partsOf(place)[1]

const asked = <A>(body: (keyring: NonNullable<ReturnType<typeof Keyring.load>>) => A): A => {
  const keyring = Keyring.load()
  if (keyring === undefined) {
    throw new Unreadable("the system's keyring is reached by a package that is missing: npm install @napi-rs/keyring")
  }
  try {
    return body(keyring)
  } catch {
    // What the keyring says may quote the item.
    throw new Unreadable("the system's keyring refuses: is it unlocked, and is there one in this session?")
  }
}

/** Who asks on Linux without a Secret Service would otherwise be told of the kernel's keyring, in which the item is not. */
const itemAt = (place: string): Keyring.Item => {
  const [service, account] = partsOf(place)
  return asked(({ Entry }) => new Entry(service, account, { linux: { store: "secret-service" } }))
}

/** What stands at `place`, or nothing. Throws `Unreadable` where the keyring cannot be asked. */
export const read = (place: string): string | undefined => {
  const item = itemAt(place)
  return asked(() => item.getPassword() ?? undefined)
}

/** The places that `pattern` stands for, of those that there are. */
export const expand = (pattern: string): ReadonlyArray<string> => {
  const [service, account] = partsOf(pattern)
  if (account !== "*") return read(pattern) === undefined ? [] : [pattern]
  return asked(({ findCredentials }) => findCredentials(service))
    .map((found) => placeOf(service, found.account))
    .toSorted()
}

/**
 * Puts `after` where `before` stands, and answers whether it still stood there. A keyring knows no exchange in one step:
 * whoever else writes it has to be kept out by its owner's locks.
 */
export const replace = (place: string, before: string, after: string): boolean => {
  const item = itemAt(place)
  return asked(() => {
    if (item.getPassword() !== before) return false
    item.setPassword(after)
    return true
  })
}
