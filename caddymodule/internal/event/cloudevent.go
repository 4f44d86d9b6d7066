package event

import "strings"

// cloudEventData is where the event of a CloudEvent in structured mode is.
var cloudEventData, _ = ParsePointer("/data")

// checkCloudEvent rejects a CloudEvent of which SDKs read another part than the member data: a batch, which is an array
// of events, and one with data_base64, which some prefer. Without data the latter is no event of ours, and passes where
// nothing is promised about events.
func (p *parser) checkCloudEvent(hasData bool) error {
	if strings.HasPrefix(strings.TrimLeft(unsafeString(p.event.body), " \t\r\n"), "[") {
		return reject("a batch of CloudEvents is not accepted; send them one by one")
	}
	if p.base64 && (hasData || p.rules.promises()) {
		return reject("a CloudEvent holds its event in data; data_base64 is not accepted")
	}
	return nil
}
