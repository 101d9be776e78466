/**
 * What runs the guest's instructions: the processor itself (`kvm`) or software emulation (`tcg`), which is slow, and of
 * which QEMU says that it gives no isolation guarantee:
 * https://www.qemu.org/docs/master/system/security.html#non-virtualization-use-case
 */
export type Accelerator = "kvm" | "tcg"
