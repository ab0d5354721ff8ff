"""TensorFlow Lite (LiteRT) flatbuffers, schema version 3."""
