import type { components } from "./contract/wire.js"

type Schemas = components["schemas"]

/** A sandbox and the state of its virtual machine. */
export type VMInfo = Schemas["VMInfo"]

/** A named point that a sandbox can return to. */
export type Snapshot = Schemas["Snapshot"]

/** One path that differs between two states of a sandbox's files. */
export type Change = Schemas["Change"]

/** What differs between two states of a sandbox's files. */
export type Diff = Schemas["Diff"]

/** Which snapshots are kept and how much disk a sandbox may take: left out is the server's default, null is no limit. */
export type Retention = Schemas["RetentionRequest"]

/** When a sandbox is paused (`idle_timeout`) and destroyed (`ttl`) by itself, in seconds; null is never. */
export type LifetimeSettings = Schemas["LifetimeRequest"]

/** What a sandbox's guest may reach: nothing, every public address, or only what a list names. */
export type NetworkPolicy = Schemas["NetworkPolicy"]

/** The limits in effect for a sandbox, where null is none, and what it takes now. */
export type RetentionStatus = Schemas["RetentionStatus"]

/** That a sandbox is back at a snapshot. */
export type RestoreAnswer = Schemas["RestoreAnswer"]

/** Where a sandbox is after an undo. */
export type UndoAnswer = Schemas["UndoAnswer"]

/** A port of a sandbox. */
export type Port = Schemas["Port"]

/** What makes a link to a port. */
export type PortLink = Schemas["PortLink"]

/** A file of a sandbox, or something else that a directory holds. */
export type FileInfo = Schemas["FileInfo"]

/** What a directory holds. */
export type FileList = Schemas["FileList"]

/** The snapshot that followed a change of files, if any. */
export type FilesChanged = Schemas["FilesChanged"]
/** How much is in a directory of a sandbox. */
export type DirectorySize = Schemas["DirectorySize"]

/** What was made of an archive. */
export type UnpackAnswer = Schemas["UnpackAnswer"]

/** What a terminal is to be like. */
export type TerminalRequest = Schemas["TerminalRequest"]

/** What admits to a terminal, once. */
export type TerminalTicket = Schemas["TerminalTicket"]

/** How a terminal's shell ended. */
export type TerminalExit = Extract<Schemas["TerminalMessage"], { type: "exit" }>

type RunAnswer = Schemas["RunAnswer"]

/** What a command printed, and the snapshot taken after it. */
export type RecordedRun = RunAnswer & { snapshot: string }

/** What a command printed after which no snapshot was taken. */
export type UnrecordedRun = RunAnswer & { snapshot: null }

/** A process that was started in the background. */
export type ProcessInfo = Schemas["ProcessInfo"]

/** How a process ended: by its exit code or by the signal that ended it; the other one is null. */
export type ProcessEnd = Pick<ProcessInfo, "exitCode" | "signal">

/** Why a request failed, as the server says it. */
export type ErrorBody = Schemas["ErrorBody"]
