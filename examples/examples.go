// Package examples holds the sample files, so that the demo needs none on disk.
package examples

import _ "embed"

// Contacts is the demo's sample list.
//
//go:embed contacts.csv
var Contacts []byte

// DemoCampaign is the campaign file of the demo.
//
//go:embed demo.yaml
var DemoCampaign []byte
