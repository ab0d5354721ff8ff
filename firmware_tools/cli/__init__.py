"""Commands that `edge_sdk.cli.main` names by string."""
