"""Seals and opens ESP packets with scapy. One job a line on stdin, one answer a line on stdout.

seal SUITE ENCRYPTION INTEGRITY SPI SEQUENCE ESN INNER -> the ESP packet
open SUITE ENCRYPTION INTEGRITY SPI SEQUENCE ESN ESP   -> the inner packet
Octets are hex, `-` for none; SEQUENCE has 64 bits, of which the high half counts where ESN is 1.
"""
import sys
from scapy.config import conf

conf.ipv6_enabled = False
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.ipsec import ESP, SecurityAssociation


def octets(text):
    return b"" if text == "-" else bytes.fromhex(text)


for line in sys.stdin:
    verb, suite, encryption, integrity, spi, sequence, esn, packet = line.split()
    sequence, packet = int(sequence), octets(packet)
    cbc = suite == "cbc"
    sa = SecurityAssociation(
        ESP,
        spi=int(spi),
        seq_num=sequence & 0xFFFFFFFF,
        crypt_algo="AES-CBC" if cbc else "AES-GCM",
        crypt_key=octets(encryption),
        auth_algo="SHA2-256-128" if cbc else "NULL",
        auth_key=octets(integrity) or None,
        tunnel_header=IP(src="192.0.2.1", dst="192.0.2.2"),
        esn_en=esn == "1",
        esn=sequence >> 32,
    )
    if verb == "seal":
        inner = IPv6(packet) if packet[0] >> 4 == 6 else IP(packet)
        outer = sa.encrypt(inner, seq_num=sequence & 0xFFFFFFFF, esn_en=esn == "1", esn=sequence >> 32)
        print(bytes(outer[ESP]).hex(), flush=True)
    else:
        outer = IP(bytes(IP(src="192.0.2.1", dst="192.0.2.2", proto=50) / packet))
        print(bytes(sa.decrypt(outer, esn_en=esn == "1", esn=sequence >> 32)).hex(), flush=True)
