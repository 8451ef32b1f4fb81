"""The same app, for servers in processes of their own; FORST_TEST_CONFIG names the configuration."""

import os

from tests.behaviours.served import build

app = build(os.environ["FORST_TEST_CONFIG"])
