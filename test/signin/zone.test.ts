import { assert, describe, it } from "@effect/vitest"
import { farthest, mayReach, type Source, type Zone, zoneOf, zoneOfHost } from "../../src/signin/zone.ts"

describe("zones", () => {
  it.each<[string, Zone]>([
    ["8.8.8.8", "public"],
    ["2606:4700::1111", "public"],
    ["127.8.8.8", "loopback"],
    ["0.0.0.0", "loopback"],
    ["::1", "loopback"],
    ["::", "loopback"],
    ["10.0.0.1", "private"],
    ["172.31.255.255", "private"],
    ["172.32.0.0", "public"],
    ["192.168.1.1", "private"],
    ["100.64.0.1", "private"],
    ["fd12::1", "private"],
    ["169.254.169.254", "linkLocal"],
    ["fe80::1%eth0", "linkLocal"],
    ["fd00:ec2::254", "linkLocal"],
    ["239.1.1.1", "linkLocal"],
    // Other spellings of the same: mapped, translated, tunnelled.
    ["::ffff:127.0.0.1", "loopback"],
    ["::ffff:a9fe:a9fe", "linkLocal"],
    ["64:ff9b::10.0.0.1", "private"],
    ["64:ff9b::8.8.8.8", "public"],
    ["2002:c0a8:0101::1", "private"],
    ["not an address", "linkLocal"],
  ])("%s is %s", (address, zone) => assert.strictEqual(zoneOf(address), zone))

  it("hosts that say it by themselves", () => {
    assert.strictEqual(zoneOfHost("localhost"), "loopback")
    assert.strictEqual(zoneOfHost("a.localhost."), "loopback")
    assert.strictEqual(zoneOfHost("[::1]"), "loopback")
    assert.strictEqual(zoneOfHost(new URL("http://0x7f.1/").hostname), "loopback")
    assert.isUndefined(zoneOfHost("127.0.0.1.example.com"))
  })

  it("from where one may be sent where", () => {
    const zones: ReadonlyArray<Zone> = ["public", "private", "loopback", "linkLocal"]
    const reachable = (source: Source) => zones.filter((zone) => mayReach(source, zone))
    assert.deepStrictEqual(reachable("public"), ["public"])
    assert.deepStrictEqual(reachable("private"), ["public", "private"])
    assert.deepStrictEqual(reachable("loopback"), ["public", "private", "loopback"])
    assert.deepStrictEqual(reachable("linkLocal"), zones)
    assert.deepStrictEqual(reachable("person"), zones)
    assert.strictEqual(farthest(["loopback", "public", "private"]), "public")
  })
})
