/** Whose issuer or token endpoint a URL is: the patterns of `ProviderProfile.match`. Pure text, nothing is looked up. */

/** `*` in a pattern: so many characters as the place allows, and no less than one. */
const glob = (pattern: string, star: string): string =>
  pattern.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", star)

/** Whether `url` is of the host, and below the path, that `pattern` names. The scheme and the port do not matter. */
export const matches = (pattern: string, url: string): boolean => {
  const found = URL.parse(url)
  if (found === null) return false
  const slash = pattern.indexOf("/")
  const host = slash === -1 ? pattern : pattern.slice(0, slash)
  const path = slash === -1 ? "" : pattern.slice(slash).replace(/\/$/, "")
  return (
    (host === "" || new RegExp(`^${glob(host, "[^/]+")}$`, "i").test(found.hostname)) &&
    (path === "" || new RegExp(`^${glob(path, "[^/]+")}(?:/|$)`).test(found.pathname))
  )
}
