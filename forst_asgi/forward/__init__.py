"""The seam between ASGI and transports: a `Forwarder` is an ASGI app that an upstream answers for."""

from forst_asgi.forward.forwarded import TrustedProxies
from forst_asgi.forward.gate import Gate
from forst_asgi.forward.handler import Forwarder
from forst_asgi.forward.policy import AuthCallable, ForwardPolicy
from forst_asgi.forward.response import SERVERS_OWN

__all__ = ["SERVERS_OWN", "AuthCallable", "ForwardPolicy", "Forwarder", "Gate", "TrustedProxies"]
