package protocol

import (
	"encoding/json"
	"os"
	"reflect"
	"sort"
	"strings"
	"testing"
)

type schema struct {
	Protocol int
	Magic    int
	Limits   struct{ Header, InputWindow, OutputWindow, Streams int }
	Frames   map[string]struct {
		Type                   Type
		MinPayload, MaxPayload uint32
		OnStream               bool
	}
	Channels map[string]Channel
	Codes    map[Code]string
	Messages map[string]struct {
		Properties map[string]json.RawMessage
		Required   []string
	} `json:"$defs"`
}

func readSchema(t *testing.T) schema {
	t.Helper()
	content, err := os.ReadFile("../../protocol.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(content, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestNumbersAreThoseOfTheSchema(t *testing.T) {
	s := readSchema(t)
	if s.Protocol != Version || s.Magic != magic || s.Limits.Header != HeaderSize || s.Limits.InputWindow != InputWindow || s.Limits.OutputWindow != OutputWindow ||
		s.Limits.Streams != MaxStreams {
		t.Errorf("limits: %+v", s)
	}
	channels := map[string]Channel{"stdin": ChannelStdin, "stdout": ChannelStdout, "stderr": ChannelStderr}
	if !reflect.DeepEqual(s.Channels, channels) {
		t.Errorf("channels: %v", s.Channels)
	}
	if len(s.Frames) != len(rules) {
		t.Errorf("%d types of frames, not %d", len(rules), len(s.Frames))
	}
	for name, frame := range s.Frames {
		want := rule{name, frame.MinPayload, frame.MaxPayload, frame.OnStream}
		if rules[frame.Type] != want {
			t.Errorf("%s: %v, not %v", name, rules[frame.Type], want)
		}
	}
}

func TestCodesAreThoseOfTheSchema(t *testing.T) {
	ours := []Code{
		CodeBadRequest, CodeTooManyStreams, CodeNotSetUp, CodeAlreadySetUp, CodeSetupFailed, CodeSpawnFailed, CodeBadCwd,
		CodeBadUser, CodeSyncFailed, CodeWipeIncomplete, CodeNotFound, CodeNotAFile, CodeTooLarge, CodeIO, CodeInternal,
		CodeRefused, CodeUnreachable, CodeReset, CodeCannotListen, CodeNoConnection, CodeNotListening,
		CodeNoProcess, CodeTooManyProcesses, CodeInputClosed,
		CodeNotADirectory, CodeNotEmpty, CodeAlreadyExists, CodeNoSpace, CodeNotPermitted, CodeBadPath, CodeUnknownOwner,
		CodeCancelled, CodeBadArchive,
	}
	codes := readSchema(t).Codes
	if len(codes) != len(ours) {
		t.Errorf("%d codes, not %d", len(ours), len(codes))
	}
	for _, code := range ours {
		if codes[code] == "" {
			t.Errorf("%s is not in the schema", code)
		}
	}
}

func TestMessagesHaveTheFieldsOfTheSchema(t *testing.T) {
	ours := map[string]any{
		"hello": Hello{}, "welcome": Welcome{}, "ping": Ping{}, "setup": Setup{}, "exec": Exec{}, "sync": Sync{}, "wipe": Wipe{},
		"pong": Pong{}, "setupDone": SetupDone{}, "rehearse": Rehearse{}, "rehearseDone": RehearseDone{},
		"freeze": Freeze{}, "freezeDone": FreezeDone{}, "thaw": Thaw{}, "thawDone": ThawDone{}, "resume": Resume{}, "resumeDone": ResumeDone{},
		"execBegun": ExecBegun{}, "execDone": ExecDone{}, "syncDone": SyncDone{}, "wipeDone": WipeDone{},
		"changes": Changes{}, "change": Change{}, "fileState": FileState{}, "changesDone": ChangesDone{},
		"signalExec": SignalExec{}, "signalExecDone": SignalExecDone{},
		"read": Read{}, "readDone": ReadDone{}, "digest": Digest{}, "digestDone": DigestDone{}, "failure": Error{},
		"connect": Connect{}, "listen": Listen{}, "accept": Accept{}, "awaitPort": AwaitPort{}, "connected": Connected{},
		"outputEnded": OutputEnded{}, "listening": Listening{}, "incoming": Incoming{},
		"connectionDone": ConnectionDone{}, "listenDone": ListenDone{}, "awaitPortDone": AwaitPortDone{},
		"start": Start{}, "started": Started{}, "processes": Processes{}, "processesDone": ProcessesDone{},
		"processState": ProcessState{}, "output": Output{}, "outputBegun": OutputBegun{}, "outputDone": OutputDone{},
		"input": Input{}, "inputDone": InputDone{}, "signal": Signal{}, "signalDone": SignalDone{},
		"resize": Resize{}, "resizeDone": ResizeDone{},
		"stat": Stat{}, "statDone": StatDone{}, "list": List{}, "listEntry": ListEntry{}, "listDone": ListDone{},
		"readFile": ReadFile{}, "fileOpened": FileOpened{}, "writeFile": WriteFile{}, "mkdir": Mkdir{}, "remove": Remove{},
		"rename": Rename{}, "copy": Copy{}, "setAttributes": SetAttributes{}, "filesChanged": FilesChanged{},
		"pack": Pack{}, "packDone": PackDone{}, "measure": Measure{}, "measureDone": MeasureDone{}, "unpack": Unpack{}, "unpackDone": UnpackDone{},
		"watch": Watch{}, "watching": Watching{}, "watchEvent": WatchEvent{}, "watchDone": WatchDone{},
	}
	messages := readSchema(t).Messages
	if len(messages) != len(ours) {
		t.Errorf("%d messages, not %d", len(ours), len(messages))
	}
	for name, value := range ours {
		var properties, required []string
		for property := range messages[name].Properties {
			properties = append(properties, property)
		}
		all, must := fields(reflect.TypeOf(value))
		required = append(required, messages[name].Required...)
		for _, list := range [][]string{properties, required, all, must} {
			sort.Strings(list)
		}
		if !reflect.DeepEqual(properties, all) || !reflect.DeepEqual(required, must) {
			t.Errorf("%s has %v, of these required %v; the schema says %v and %v", name, all, must, properties, required)
		}
	}
}

// fields are the names of a struct's fields in JSON: all, and those that are always there.
func fields(of reflect.Type) (all, must []string) {
	for i := 0; i < of.NumField(); i++ {
		parts := strings.Split(of.Field(i).Tag.Get("json"), ",")
		all = append(all, parts[0])
		if len(parts) == 1 {
			must = append(must, parts[0])
		}
	}
	return all, must
}
