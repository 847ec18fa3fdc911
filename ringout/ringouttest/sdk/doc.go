// Package sdk holds a test only: RingCentral's official JavaScript SDK logs in at the simulator, places calls and polls
// them to their end. It needs node and npm, and runs with
//
//	go test -tags sdk ./ringout/ringouttest/sdk
package sdk
