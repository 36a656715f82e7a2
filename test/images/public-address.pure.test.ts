import { expect, test } from "vitest";
import { isPublicAddress } from "../../src/images/public-address.js";

test.each(["1.1.1.1", "93.184.216.34", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1", "223.255.255.255"])(
  "%s is public",
  (address) => expect(isPublicAddress(address)).toBe(true),
);

test.each(["2606:4700:4700::1111", "2a00:1450:4001::1", "2001:200::1", "2620:fe::fe"])("%s is public", (address) =>
  expect(isPublicAddress(address)).toBe(true),
);

test.each([
  ["unspecified", "0.0.0.0", "0.1.2.3", "::"],
  ["loopback", "127.0.0.1", "127.255.255.254", "::1"],
  ["private", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"],
  ["of a carrier", "100.64.0.1", "100.127.255.255"],
  ["of a link", "169.254.169.254", "fe80::1", "fe80::1%eth0"],
  ["unique local", "fc00::1", "fd12:3456::1"],
  ["multicast", "224.0.0.1", "239.255.255.255", "ff02::1"],
  ["reserved", "192.0.0.8", "198.18.0.1", "240.0.0.1", "255.255.255.255", "100::1", "4000::1"],
  ["for documentation", "192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"],
  ["IPv4 in IPv6", "::ffff:1.1.1.1", "::ffff:127.0.0.1", "::ffff:7f00:1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1"],
  ["6to4 and Teredo", "2002:7f00:1::", "2001::1"],
  ["no address", "", "localhost", "2130706433", "0177.0.0.1", "1.1.1"],
])("what is %s is not public", (_what, ...addresses) => {
  expect(addresses.filter(isPublicAddress)).toEqual([]);
});
