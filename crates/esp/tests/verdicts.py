"""Judges inner packets by rules, with scapy's view of their headers. One job a line on stdin, one answer a
line on stdout.

DIRECTION PACKET RULE;RULE;... -> pass, or why not
DIRECTION is `in` (from the unit) or `out` (to it), PACKET is hex.
"""
import sys
from ipaddress import ip_address, ip_network
from scapy.config import conf

conf.ipv6_enabled = False
from scapy.layers.inet import IP, IPOption_EOL, IPOption_LSRR, IPOption_NOP, IPOption_SSRR
from scapy.layers.inet6 import (
    IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting,
    IPv6ExtHdrSegmentRouting, Pad1, PadN,
)

NAMES = {"icmp": 1, "ipip": 4, "tcp": 6, "udp": 17, "ipv6": 41, "gre": 47, "esp": 50, "icmpv6": 58, "sctp": 132}
WITH_PORTS = {6, 17, 33, 132, 136}
TUNNELS = {4, 41, 47, 50, 51, 55, 94, 97, 98, 115, 137, 143}
ROUTING = (IPv6ExtHdrRouting, IPv6ExtHdrSegmentRouting)
WITH_OPTIONS = (IPv6ExtHdrHopByHop, IPv6ExtHdrDestOpt)
EXTENSIONS = {0, 43, 44, 60}


class Seen:
    """What one packet's headers say."""

    def __init__(self, octets):
        self.octets, self.bad, self.upper, self.offset, more = octets, None, b"", 0, False
        if octets[0] >> 4 == 4:
            packet = IP(octets)
            self.protocol, self.plain = packet.proto, True
            for option in packet.options:
                if isinstance(option, (IPOption_LSRR, IPOption_SSRR)):
                    self.bad = self.bad or "source_route"
                elif not isinstance(option, (IPOption_NOP, IPOption_EOL)):
                    self.bad = self.bad or "options"
            self.offset, more = packet.frag * 8, bool(packet.flags.MF)
            self.upper = octets[packet.ihl * 4 : packet.len]
        else:
            packet = IPv6(octets)
            layer, following, self.plain = packet.payload, packet.nh, packet.nh not in EXTENSIONS
            while isinstance(layer, ROUTING + WITH_OPTIONS):
                if isinstance(layer, IPv6ExtHdrHopByHop) and layer.underlayer is not packet:
                    self.bad = self.bad or "header_chain"
                elif isinstance(layer, ROUTING):
                    self.bad = self.bad or "source_route"
                elif any(not isinstance(option, (Pad1, PadN)) for option in layer.options):
                    self.bad = self.bad or "options"
                following, layer = layer.nh, layer.payload
            if isinstance(layer, IPv6ExtHdrFragment):
                self.offset, more, following = layer.offset * 8, bool(layer.m), layer.nh
                if following in EXTENSIONS:
                    self.bad = self.bad or "fragment"
                layer = layer.payload
            self.protocol, self.upper = following, bytes(layer)
        self.source, self.destination = ip_address(packet.src), ip_address(packet.dst)
        length = len(self.upper)
        if self.offset == 0 and more and length < 16 or 0 < self.offset < 16 or more and length % 8:
            self.bad = self.bad or "fragment"

    def ports(self):
        if self.offset or self.protocol not in WITH_PORTS or len(self.upper) < 4:
            return None, None
        return int.from_bytes(self.upper[:2], "big"), int.from_bytes(self.upper[2:4], "big")

    def about(self):
        errors = {1: (3, 11, 12), 58: (1, 2, 3, 4)}.get(self.protocol, ())
        versions_agree = (self.protocol == 1) == (self.octets[0] >> 4 == 4)
        if self.offset or not self.plain or not versions_agree or len(self.upper) < 2 or self.upper[0] not in errors:
            return None
        quoted = self.upper[8:]
        whole = quoted and (quoted[0] >> 4 == 4 and len(quoted) >= 20 or quoted[0] >> 4 == 6 and len(quoted) >= 40)
        return Seen(quoted) if whole else None


def listed(rules, address, protocol, port, any_port=False):
    for rule in rules:
        network, *rest = rule.split()
        wanted = (NAMES.get(rest[0]) or int(rest[0])) if rest else None
        first, _, last = rest[1].partition("-") if len(rest) > 1 else ("0", "-", "65535")
        first, last = int(first), int(last or first)
        if address not in ip_network(network):
            continue
        if protocol != wanted if rest else protocol in TUNNELS:
            continue
        if any_port or (first, last) == (0, 65535) or port is not None and first <= port <= last:
            return True
    return False


def judge(direction, octets, rules):
    seen = Seen(octets)
    if seen.bad:
        return seen.bad
    inward = direction == "in"
    address, port = (seen.destination, seen.ports()[1]) if inward else (seen.source, seen.ports()[0])
    if listed(rules, address, seen.protocol, port):
        return "pass"
    about = seen.about()
    if about and inward and (about.source, about.destination) == (seen.destination, seen.source):
        if listed(rules, about.source, about.protocol, about.ports()[0]):
            return "pass"
    if about and not inward and about.source == seen.destination:
        if listed(rules, about.destination, about.protocol, about.ports()[1]):
            return "pass"
    if seen.offset and listed(rules, address, seen.protocol, None, any_port=True):
        return "fragment"
    return "out_of_reach"


for line in sys.stdin:
    direction, packet, rules = line.rstrip("\n").split(" ", 2)
    print(judge(direction, bytes.fromhex(packet), [rule for rule in rules.split(";") if rule]), flush=True)
