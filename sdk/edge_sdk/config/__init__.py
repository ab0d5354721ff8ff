"""Files that people write: strict TOML in, typed values out, every mistake named with file, key and expectation.

table = read_toml(Path("pipeline.toml"))                  # syntax, size, ${env:NAME}
options = decode(table["x"], Options, where.at("x"))      # types, unknown keys, did-you-mean
"""

from edge_sdk.config.decode import check_keys, decode
from edge_sdk.config.secret import Secret
from edge_sdk.config.toml_file import FromEnvironment, read_toml
from edge_sdk.config.where import Where

__all__ = ["FromEnvironment", "Secret", "Where", "check_keys", "decode", "read_toml"]
