"""Labels by which sandboxes are told, whatever they are made of."""

from __future__ import annotations

from typing import Final

ROLE_LABEL: Final = "codearena.role"
ROLE: Final = "sandbox"
INSTANCE_LABEL: Final = "codearena.executor"
"""Its value is the random name of one run of the executor that made the sandbox."""
CLAIM_LABEL: Final = "codearena.claim"
"""Of a pod that was got by a claim on a warm pool: the claim's name."""

NAME_PREFIX: Final = "codearena-sandbox-"
