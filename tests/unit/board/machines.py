"""Fake machines: the few files of /proc and /sys that a board is recognised by, written under a folder."""

from __future__ import annotations

from pathlib import Path


def arm_cpuinfo(part: str, cores: int, features: str) -> str:
    core = f"Features\t: {features}\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU part\t: {part}\n"
    return "\n".join(f"processor\t: {index}\n{core}" for index in range(cores))


def x86_cpuinfo(model: str, cores: int, flags: str) -> str:
    return "\n".join(f"processor\t: {index}\nmodel name\t: {model}\nflags\t\t: {flags}\n" for index in range(cores))


def write_tree(
    root: Path,
    *,
    cpuinfo: str,
    memory_mib: int = 4096,
    model: str = "",
    compatible: tuple[str, ...] = (),
    dmi: tuple[str, str] | None = None,
    files: tuple[str, ...] = (),
) -> Path:
    (root / "proc").mkdir(parents=True)
    (root / "proc/cpuinfo").write_text(cpuinfo)
    (root / "proc/meminfo").write_text(f"MemTotal:       {memory_mib * 1024} kB\nMemFree: 1 kB\n")
    if compatible:
        tree = root / "proc/device-tree"
        tree.mkdir()
        (tree / "compatible").write_bytes(b"".join(text.encode() + b"\0" for text in compatible))
        (tree / "model").write_bytes(model.encode() + b"\0")
    if dmi is not None:
        folder = root / "sys/class/dmi/id"
        folder.mkdir(parents=True)
        (folder / "sys_vendor").write_text(dmi[0] + "\n")
        (folder / "product_name").write_text(dmi[1] + "\n")
    for path in files:
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("")
    return root


ARMV8_2 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"
ARMV8_0 = "fp asimd evtstrm crc32 cpuid"


def pi5(root: Path) -> Path:
    return write_tree(
        root,
        cpuinfo=arm_cpuinfo("0xd0b", 4, ARMV8_2),
        memory_mib=8064,
        model="Raspberry Pi 5 Model B Rev 1.0",
        compatible=("raspberrypi,5-model-b", "brcm,bcm2712"),
    )


def pi400(root: Path) -> Path:
    return write_tree(
        root,
        cpuinfo=arm_cpuinfo("0xd08", 4, ARMV8_0),
        model="Raspberry Pi 400 Rev 1.0",
        compatible=("raspberrypi,400", "brcm,bcm2711"),
    )


def orin_nano(root: Path) -> Path:
    return write_tree(
        root,
        cpuinfo=arm_cpuinfo("0xd42", 6, ARMV8_2),
        memory_mib=7620,
        model="NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super",
        compatible=("nvidia,p3768-0000+p3767-0005-super", "nvidia,p3767-0005", "nvidia,tegra234"),
        files=("/etc/nv_tegra_release",),
    )


def agx_orin(root: Path) -> Path:
    return write_tree(
        root,
        cpuinfo=arm_cpuinfo("0xd42", 12, ARMV8_2),
        model="NVIDIA Jetson AGX Orin Developer Kit",
        compatible=("nvidia,p3737-0000+p3701-0005", "nvidia,tegra234"),
        files=("/etc/nv_tegra_release",),
    )


def x86_gateway(root: Path) -> Path:
    flags = "fpu sse4_1 sse4_2 avx avx2 fma"
    return write_tree(root, cpuinfo=x86_cpuinfo("Intel(R) N100", 4, flags), dmi=("ACME", "Gateway 100"))


def unknown_arm(root: Path) -> Path:
    return write_tree(
        root,
        cpuinfo=arm_cpuinfo("0xd05", 4, ARMV8_0),
        model="FriendlyElec NanoPC-T6",
        compatible=("friendlyarm,nanopc-t6", "rockchip,rk3588"),
    )
