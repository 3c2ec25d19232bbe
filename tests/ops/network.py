"""Who may talk to whom: what NetworkPolicies allow, by the rules of networking.k8s.io/v1.

A pod that no policy selects for a direction is open in it; one that some policy selects may do what any of them
allows. A connection is made if the one who calls may send it and the one who is called may take it. Selectors are
those that our policies use, `matchLabels`; anything else is refused, so that no policy is read as laxer or stricter
than it is.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Policy = Mapping[str, Any]
_DIRECTIONS = {"Ingress": ("ingress", "from"), "Egress": ("egress", "to")}


@dataclass(frozen=True)
class Peer:
    """Something with an address: a pod, if it has a namespace, or a host."""

    address: str
    namespace: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    namespace_labels: Mapping[str, str] = field(default_factory=dict)


def allows(policies: Iterable[Policy], caller: Peer, called: Peer, port: int, protocol: str = "TCP") -> bool:
    """Returns whether a connection from one to the other is allowed."""
    every = list(policies)
    sent = _passes(every, "Egress", caller, called, port, protocol)
    return sent and _passes(every, "Ingress", called, caller, port, protocol)


def _passes(policies: list[Policy], direction: str, pod: Peer, other: Peer, port: int, protocol: str) -> bool:
    if pod.namespace is None:
        return True  # policies are of pods
    selecting = [policy for policy in policies if _selects(policy, direction, pod)]
    if not selecting:
        return True
    rules, side = _DIRECTIONS[direction]
    return any(
        _fits(rule.get(side), other, policy["metadata"]["namespace"]) and _has(rule.get("ports"), port, protocol)
        for policy in selecting
        for rule in policy["spec"].get(rules, [])
    )


def _selects(policy: Policy, direction: str, pod: Peer) -> bool:
    return (
        direction in policy["spec"]["policyTypes"]
        and policy["metadata"]["namespace"] == pod.namespace
        and _matches(policy["spec"]["podSelector"], pod.labels)
    )


def _fits(peers: list[Mapping[str, Any]] | None, other: Peer, namespace: str) -> bool:
    if peers is None:
        return True  # from or to anywhere
    return any(_is(peer, other, namespace) for peer in peers)


def _is(peer: Mapping[str, Any], other: Peer, namespace: str) -> bool:
    if "ipBlock" in peer:
        assert set(peer) == {"ipBlock"}
        return _within(peer["ipBlock"], other.address)
    assert set(peer) <= {"namespaceSelector", "podSelector"}
    if other.namespace is None:
        return False
    if "namespaceSelector" not in peer:
        near = other.namespace == namespace
    else:
        near = _matches(peer["namespaceSelector"], other.namespace_labels)
    return near and _matches(peer.get("podSelector", {}), other.labels)


def _within(block: Mapping[str, Any], address: str) -> bool:
    found = ipaddress.ip_address(address)
    left_out = [ipaddress.ip_network(network) for network in block.get("except", [])]
    return found in ipaddress.ip_network(block["cidr"]) and not any(found in network for network in left_out)


def _matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    assert set(selector) <= {"matchLabels"}, f"not read here: {selector}"
    return selector.get("matchLabels", {}).items() <= labels.items()


def _has(ports: list[Mapping[str, Any]] | None, port: int, protocol: str) -> bool:
    if ports is None:
        return True
    for found in ports:
        assert isinstance(found["port"], int), f"not read here: {found}"
        assert "endPort" not in found, f"not read here: {found}"
    return any((found["port"], found.get("protocol", "TCP")) == (port, protocol) for found in ports)
