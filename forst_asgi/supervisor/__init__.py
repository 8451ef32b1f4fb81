"""Runs a sidecar process for all workers of a host, and keeps it running.

    home        the directory that the workers meet in; its locks say who leads
    supervisor  leads or follows; where to connect to
      leader    tells the others, hands over         channel: JSON lines, descriptors
        upkeep  keeps the home in being, and puts it back
        keeper  the loop: starts, asks, replaces     policy: the table that says when
          seats   where each process listens, and the one address for all of them
          workshop  builds the program, now and when its source changes    building
          life    one process and its proof that it is the one    asking, peer
            sidecar -> child   started, ready, output drained, stopped, reaped

The pure parts are `policy`, `lines`, `environ`, `standing`; everything else is as small as it can be.
"""

from forst_asgi.supervisor.building import BuildSpec, Problem, parse_problems
from forst_asgi.supervisor.home import HomeKey, find_homes
from forst_asgi.supervisor.leader import inquire
from forst_asgi.supervisor.life import Care
from forst_asgi.supervisor.place import Place
from forst_asgi.supervisor.policy import Rules, State
from forst_asgi.supervisor.seats import Offer
from forst_asgi.supervisor.sidecar import Sidecar
from forst_asgi.supervisor.spec import SidecarSpec
from forst_asgi.supervisor.standing import Standing
from forst_asgi.supervisor.supervisor import Supervisor, SupervisorSpec

__all__ = [
    "BuildSpec",
    "Care",
    "HomeKey",
    "Offer",
    "Place",
    "Problem",
    "Rules",
    "Sidecar",
    "SidecarSpec",
    "Standing",
    "State",
    "Supervisor",
    "SupervisorSpec",
    "find_homes",
    "inquire",
    "parse_problems",
]
