"""Seals and opens ESP packets with scapy. One job a line on stdin, one answer a line on stdout.

seal SUITE ENCRYPTION INTEGRITY SPI SEQUENCE ESN INNER -> the ESP packet
open SUITE ENCRYPTION INTEGRITY SPI SEQUENCE ESN ESP   -> the inner packet
Octets are hex, `-` for none; SEQUENCE has 64 bits, of which the high half counts where ESN is 1.

scapy 2.5 leaves the high half out of an ICV of its own (RFC 4303 2.2.1), so that of CBC with ESN is made here.
"""
import hashlib
import hmac
import sys
from scapy.config import conf

conf.ipv6_enabled = False
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.ipsec import ESP, SecurityAssociation

ICV = 16


def octets(text):
    return b"" if text == "-" else bytes.fromhex(text)


def icv(key, packet, high):
    return hmac.new(key, packet + high, hashlib.sha256).digest()[:ICV]


for line in sys.stdin:
    verb, suite, encryption, integrity, spi, sequence, esn, packet = line.split()
    sequence, packet, integrity = int(sequence), octets(packet), octets(integrity)
    cbc, extended = suite == "cbc", esn == "1"
    own_icv = cbc and extended
    high = (sequence >> 32).to_bytes(4, "big") if extended else b""
    numbers = {"esn_en": extended, "esn": sequence >> 32}
    sa = SecurityAssociation(
        ESP,
        spi=int(spi),
        seq_num=sequence & 0xFFFFFFFF,
        crypt_algo="AES-CBC" if cbc else "AES-GCM",
        crypt_key=octets(encryption),
        auth_algo="SHA2-256-128" if cbc and not extended else "NULL",
        auth_key=integrity or None,
        tunnel_header=IP(src="192.0.2.1", dst="192.0.2.2"),
        **numbers,
    )
    if verb == "seal":
        inner = IPv6(packet) if packet[0] >> 4 == 6 else IP(packet)
        sealed = bytes(sa.encrypt(inner, seq_num=sequence & 0xFFFFFFFF, **numbers)[ESP])
        print((sealed + icv(integrity, sealed, high) if own_icv else sealed).hex(), flush=True)
    else:
        if own_icv:
            packet, tag = packet[:-ICV], packet[-ICV:]
            assert hmac.compare_digest(tag, icv(integrity, packet, high)), "ICV"
        outer = IP(bytes(IP(src="192.0.2.1", dst="192.0.2.2", proto=50) / packet))
        print(bytes(sa.decrypt(outer, **numbers)).hex(), flush=True)
