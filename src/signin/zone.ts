/**
 * How near an address is, and from how near a server may send us there. A URL that a server names is hostile until shown
 * otherwise: it could lead into the network we stand in (server-side request forgery; the MCP security best practices).
 *
 * A server may name addresses as public as its own or more so. Link-local ones, where clouds keep their instance
 * secrets, only a server that is there itself. What a person typed may be anywhere.
 */
import * as Net from "node:net"

export type Zone = "public" | "private" | "loopback" | "linkLocal"

/** Who says that we should go somewhere: a person, or a server that answered from this zone. */
export type Source = "person" | Zone

const subnets: Readonly<Record<Exclude<Zone, "public">, string>> = {
  loopback: "127.0.0.0/8 0.0.0.0/8 ::1/128 ::/128",
  linkLocal: "169.254.0.0/16 fe80::/10 224.0.0.0/4 240.0.0.0/4 ff00::/8 fd00:ec2::254/128",
  private: "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 192.0.0.0/24 198.18.0.0/15 fc00::/7 fec0::/10",
}

const listOf = (subnets: string): Net.BlockList => {
  const list = new Net.BlockList()
  for (const subnet of subnets.split(" ")) {
    const [network = "", prefix] = subnet.split("/")
    list.addSubnet(network, Number(prefix), network.includes(":") ? "ipv6" : "ipv4")
  }
  return list
}

const lists = Object.entries(subnets).map(([zone, subnets]) => [zone as Zone, listOf(subnets)] as const)

/** The eight groups of an IPv6 address, which `URL` has brought into one form. */
const groupsOf = (address: string): ReadonlyArray<number> => {
  const [head = "", tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split("::")
  const numbers = (part: string) => (part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16)))
  const [first, last] = [numbers(head), numbers(tail ?? "")]
  return [...first, ...Array.from({ length: 8 - first.length - last.length }, () => 0), ...last]
}

const dotted = (high: number, low: number): string => [high >> 8, high & 255, low >> 8, low & 255].join(".")

/** The IPv4 address that an IPv6 one stands for: mapped, translated (NAT64, RFC 6052) or tunnelled (6to4, RFC 3056). */
const embedded = (address: string): string | undefined => {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = groupsOf(address)
  if (a === 0x2002) return dotted(b, c)
  const isNat64 = a === 0x64 && b === 0xff9b && (c | d | e | f) === 0
  const isMapped = (a | b | c | d | e) === 0 && f === 0xffff
  return isNat64 || isMapped ? dotted(g, h) : undefined
}

/** The zone of an IP address. What is none counts as the most suspicious one. */
export const zoneOf = (address: string): Zone => {
  const bare = address.replace(/%.*$/, "")
  const family = Net.isIP(bare)
  if (family === 0) return "linkLocal"
  const inner = family === 6 ? embedded(bare) : undefined
  if (inner !== undefined) return zoneOf(inner)
  return lists.find(([, list]) => list.check(bare, family === 6 ? "ipv6" : "ipv4"))?.[0] ?? "public"
}

/** The zone that a URL's host says by itself: that of a literal address or of `localhost`; `undefined` for other names. */
export const zoneOfHost = (hostname: string): Zone | undefined => {
  const bare = hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "")
  if (bare === "localhost" || bare.endsWith(".localhost")) return "loopback"
  return Net.isIP(bare) === 0 ? undefined : zoneOf(bare)
}

const nearness = { public: 0, private: 1, loopback: 2, linkLocal: 3 } as const

/** Whether somebody in `source` may send us to an address in `target`. */
export const mayReach = (source: Source, target: Zone): boolean =>
  source === "person" || source === target || (target !== "linkLocal" && nearness[target] <= nearness[source])

/** Of a name with several addresses, the most public one: it promises least. */
export const farthest = (zones: ReadonlyArray<Zone>): Zone =>
  zones.toSorted((a, b) => nearness[a] - nearness[b])[0] ?? "public"
