"""The runtime wing: a module runs. Works without the compiler.

`module` checks what a model module may be; `engine` and `cache` turn it into machine code; `host` and `sandbox` are the
two providers of kernels; `instance` is one store with everything in it; `session` is the handle that users hold.
"""
