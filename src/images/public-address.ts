/** Which addresses are other people's hosts on the internet; all others may be the service's own network. */

import { BlockList, isIP } from "node:net";

/** IANA's registry of special-purpose IPv4 addresses, multicast and the reserved class. */
const special = new BlockList();
for (const [net, prefix] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
] as const) {
  special.addSubnet(net, prefix, "ipv4");
}
/** Inside global unicast, from IANA's registry: protocol assignments with Teredo, documentation, 6to4. */
for (const [net, prefix] of [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
] as const) {
  special.addSubnet(net, prefix, "ipv6");
}

/** IPv6's global unicast. Outside lie loopback, local, mapped, translated (64:ff9b::/96) and multicast addresses. */
const unicast = new BlockList();
unicast.addSubnet("2000::", 3, "ipv6");

export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !special.check(address, "ipv4");
    case 6:
      // An address with a zone is of one link.
      return !address.includes("%") && unicast.check(address, "ipv6") && !special.check(address, "ipv6");
    default:
      return false;
  }
}
