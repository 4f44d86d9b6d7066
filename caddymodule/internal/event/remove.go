package event

import "github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/jsonscan"

// planRemovals notes what is removed from the event and beside it.
func (p *parser) planRemovals() {
	e := &p.event
	hasList := len(p.list) > 0
	listInEvent := p.rules.Pointer.IsRoot() && !p.rules.IsString
	var inEvent remover
	p.eachMember(func(m jsonscan.Member) {
		raw := unsafeString(e.text[m.NameStart:m.NameEnd])
		inEvent.visit(m, p.isUserInfo(raw) || hasList && listInEvent && m == p.listMember)
	})
	e.removed, e.empty = inEvent.finish(), !inEvent.stays
	if hasList && !listInEvent {
		var beside remover
		_ = jsonscan.Walk(e.body, func(m jsonscan.Member) { beside.visit(m, m == p.listMember) }) // which found no fault the first time
		e.list = beside.finish()[0]
	}
}

// remover finds the ranges to cut so that members go, each with one comma. It is shown the members of an object in
// order. The zero remover is ready for use.
type remover struct {
	cuts  []span
	stays bool            // some member stays
	open  bool            // a cut waits for the next member to begin
	last  jsonscan.Member // the one before
}

func (c *remover) visit(m jsonscan.Member, goes bool) {
	if c.open {
		c.cuts = append(c.cuts, span{c.last.NameStart, m.NameStart})
	}
	switch {
	case goes && c.stays:
		c.cuts = append(c.cuts, span{c.last.ValueEnd, m.ValueEnd})
	case !goes:
		c.stays = true
	}
	c.open = goes && !c.stays
	c.last = m
}

// finish returns the cuts, once every member was shown.
func (c *remover) finish() []span {
	if c.open {
		c.cuts = append(c.cuts, span{c.last.NameStart, c.last.ValueEnd})
	}
	return c.cuts
}
