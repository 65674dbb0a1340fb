// Who goes first where a core has work for several threads of ours: the relay, so that live
// WebSockets keep their latency while handshakes, requests and changes of the configuration take
// all the time that there is.
//
// Each function is for the calling thread, and needs no privilege. Where the kernel refuses,
// threads stay equal, which is slower and nothing else.
#pragma once

namespace toyou::relay {

// The calling thread is a relay: little to do at a time, and that at once.
void go_first();

// The calling thread, and every one that it starts from now on, is none. Cannot be undone. Of what
// a busy core has it gets two fifths at least, however much its relay has to do.
void go_after_relays();

}  // namespace toyou::relay
