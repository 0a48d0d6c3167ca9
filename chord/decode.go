package chord

import (
	"fmt"
	"time"

	ma "github.com/multiformats/go-multiaddr"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/overlay"
)

// malformed is the error of what breaks the wire format. why is one of this
// package's reasons.
func malformed(why error, format string, args ...any) error {
	return fmt.Errorf("%w: chord: %w: "+format, append([]any{overlay.ErrBadMessage, why}, args...)...)
}

// fieldSet is a set of field numbers below fieldEnd.
type fieldSet uint32

func setOf(fields ...protowire.Number) (s fieldSet) {
	for _, f := range fields {
		s |= 1 << f
	}
	return s
}

// repeated are the fields that may occur more than once in a message.
var repeated = setOf(fieldNodes, fieldCloser, fieldTrace, fieldProviders, fieldValues)

// shape says which fields a message must and may have.
type shape struct{ must, may fieldSet }

// shapes are those of all messages: each message has the fields that it needs
// and no others. What a later protocol adds comes under a later protocol ID.
var shapes = map[MessageType]shape{
	TypePing:                      {0, setOf(fieldChanged)},
	TypePing | TypeAnswer:         {},
	TypeFind:                      {setOf(fieldKey, fieldN), setOf(fieldOwner, fieldPoint)},
	TypeFind | TypeAnswer:         {0, setOf(fieldNodes, fieldCloser, fieldOwner)},
	TypeNeighbours:                {0, setOf(fieldVersion)},
	TypeNeighbours | TypeAnswer:   {setOf(fieldVersion), setOf(fieldPredecessor, fieldNodes)},
	TypeNotify:                    {},
	TypeNotify | TypeAnswer:       {},
	TypeLeave:                     {0, setOf(fieldPredecessor, fieldNodes)},
	TypeLeave | TypeAnswer:        {},
	TypeForward:                   {setOf(fieldKey, fieldN, fieldQuery, fieldContact), setOf(fieldOwner, fieldHopsLeft, fieldTrace)},
	TypeForward | TypeAnswer:      {},
	TypeResult:                    {setOf(fieldQuery), setOf(fieldNodes, fieldTrace)},
	TypeResult | TypeAnswer:       {},
	TypeAddProvider:               {setOf(fieldKey, fieldContact), 0},
	TypeAddProvider | TypeAnswer:  {},
	TypeGetProviders:              {setOf(fieldKey), 0},
	TypeGetProviders | TypeAnswer: {0, setOf(fieldNodes)},
	TypePutValue:                  {setOf(fieldValues), 0},
	TypePutValue | TypeAnswer:     {},
	TypeGetValue:                  {setOf(fieldKey), 0},
	TypeGetValue | TypeAnswer:     {0, setOf(fieldValues)},
	TypeHandOver:                  {0, setOf(fieldProviders, fieldValues)},
	TypeHandOver | TypeAnswer:     {0, setOf(fieldTaken)},
	TypeSync:                      {setOf(fieldAfter, fieldUpto), setOf(fieldDigest, fieldCount)},
	TypeSync | TypeAnswer:         {0, setOf(fieldSame, fieldHave)},
}

// parts are the fields of a message of any type.
type parts struct {
	seen                 fieldSet
	key                  []byte
	n, hopsLeft, taken   int
	owner, point         bool
	changed, same        bool
	after, upto          overlay.ID
	digest               uint64
	count                int
	have                 []uint64
	version, query       uint64
	predecessor, contact *overlay.Contact
	nodes, closer        []*overlay.Contact
	trace                []Hop
	providers            []ProviderRecord
	values               []ValueRecord
}

// Decode reads a message: a pointer to one of this package's types, [Unknown] for
// a type that it does not have. It is strict: errors wrap
// [overlay.ErrBadMessage] and one of [ErrBounds], [ErrForged] and
// [ErrUnknownMessage].
func (Codec) Decode(b []byte) (overlay.Message, error) {
	if len(b) > MaxMessage {
		return nil, malformed(ErrBounds, "%d bytes", len(b))
	}
	typ, n, err := decodeType(b)
	if err != nil {
		return nil, err
	}
	form, known := shapes[typ]
	if !known {
		return &Unknown{Number: typ}, nil
	}
	p := new(parts)
	err = eachField(b[n:], func(num protowire.Number, v fieldValue) error {
		if num >= fieldEnd || (form.must|form.may)&setOf(num) == 0 {
			return malformed(ErrUnknownMessage, "field %d in a %s", num, typ)
		}
		return p.take(num, v)
	})
	if err != nil {
		return nil, err
	}
	if missing := form.must &^ p.seen; missing != 0 {
		return nil, malformed(ErrBounds, "a %s without all of its fields", typ)
	}
	return p.message(typ)
}

// decodeType reads the first field, which is the type. It returns where the next
// one begins.
func decodeType(b []byte) (MessageType, int, error) {
	num, wire, n := protowire.ConsumeTag(b)
	if n < 0 || num != fieldType || wire != protowire.VarintType {
		return 0, 0, malformed(ErrUnknownMessage, "no type")
	}
	v, k := protowire.ConsumeVarint(b[n:])
	if k < 0 || v == 0 || v > 0xff {
		return 0, 0, malformed(ErrUnknownMessage, "type %d", v)
	}
	return MessageType(v), n + k, nil
}

// take reads one field of a message.
func (p *parts) take(num protowire.Number, v fieldValue) error {
	bit := setOf(num)
	if p.seen&bit != 0 && repeated&bit == 0 {
		return malformed(ErrBounds, "field %d twice", num)
	}
	p.seen |= bit
	switch num {
	case fieldKey:
		return v.blob(&p.key, MaxKey)
	case fieldN:
		return v.count(&p.n, MaxContacts)
	case fieldOwner:
		return v.flag(&p.owner)
	case fieldPoint:
		return v.flag(&p.point)
	case fieldChanged:
		return v.flag(&p.changed)
	case fieldVersion:
		return v.integer(&p.version)
	case fieldQuery:
		return v.integer(&p.query)
	case fieldHopsLeft:
		return v.count(&p.hopsLeft, MaxTrace)
	case fieldTaken:
		return v.count(&p.taken, 2*MaxRecords)
	case fieldAfter:
		return v.place(&p.after)
	case fieldUpto:
		return v.place(&p.upto)
	case fieldDigest:
		return v.integer(&p.digest)
	case fieldCount:
		return v.count(&p.count, maxRecords)
	case fieldSame:
		return v.flag(&p.same)
	case fieldHave:
		return v.prints(&p.have)
	case fieldPredecessor:
		return decodeContact(&p.predecessor, v)
	case fieldContact:
		return decodeContact(&p.contact, v)
	case fieldNodes:
		return appendPart(&p.nodes, v, MaxContacts, decodeContact)
	case fieldCloser:
		return appendPart(&p.closer, v, MaxContacts, decodeContact)
	case fieldTrace:
		return appendPart(&p.trace, v, MaxTrace, decodeHop)
	case fieldProviders:
		return appendPart(&p.providers, v, MaxRecords, decodeProvider)
	}
	return appendPart(&p.values, v, MaxRecords, decodeValue)
}

// message puts the fields together.
func (p *parts) message(typ MessageType) (Message, error) {
	single := typ == TypePutValue || typ == TypeGetValue|TypeAnswer
	switch {
	case single && len(p.values) > 1:
		return nil, malformed(ErrBounds, "%d values in a %s", len(p.values), typ)
	case p.point && len(p.key) != overlay.IDBytes:
		return nil, malformed(ErrBounds, "a place of %d bytes", len(p.key))
	}
	if typ&TypeAnswer != 0 {
		return p.answer(typ &^ TypeAnswer), nil
	}
	return p.request(typ), nil
}

func (p *parts) request(typ MessageType) Message {
	switch typ {
	case TypeFind:
		return &FindRequest{Key: p.key, N: p.n, Owner: p.owner, Point: p.point}
	case TypeNeighbours:
		return &NeighboursRequest{Known: p.version}
	case TypeNotify:
		return &NotifyRequest{}
	case TypeLeave:
		return &LeaveRequest{Predecessor: p.predecessor, Successors: p.nodes}
	case TypeForward:
		return &ForwardRequest{
			Key: p.key, N: p.n, Query: p.query, Asker: p.contact, Owner: p.owner, HopsLeft: p.hopsLeft, Trace: p.trace,
		}
	case TypeResult:
		return &ResultRequest{Query: p.query, Owners: p.nodes, Trace: p.trace}
	case TypeAddProvider:
		return &AddProviderRequest{Key: p.key, Provider: p.contact}
	case TypeGetProviders:
		return &GetProvidersRequest{Key: p.key}
	case TypePutValue:
		return &PutValueRequest{Value: &p.values[0]}
	case TypeGetValue:
		return &GetValueRequest{Key: p.key}
	case TypeHandOver:
		return &HandOverRequest{Providers: p.providers, Values: p.values}
	case TypeSync:
		return &SyncRequest{After: p.after, Upto: p.upto, Digest: p.digest, Count: p.count}
	}
	return &PingRequest{Changed: p.changed}
}

func (p *parts) answer(typ MessageType) Message {
	switch typ {
	case TypeFind:
		return &FindAnswer{Owners: p.nodes, Closer: p.closer, Owner: p.owner}
	case TypeNeighbours:
		return &NeighboursAnswer{Predecessor: p.predecessor, Successors: p.nodes, Version: p.version}
	case TypeNotify:
		return &NotifyAnswer{}
	case TypeLeave:
		return &LeaveAnswer{}
	case TypeForward:
		return &ForwardAnswer{}
	case TypeResult:
		return &ResultAnswer{}
	case TypeAddProvider:
		return &AddProviderAnswer{}
	case TypeGetProviders:
		return &GetProvidersAnswer{Providers: p.nodes}
	case TypePutValue:
		return &PutValueAnswer{}
	case TypeGetValue:
		a := new(GetValueAnswer)
		if len(p.values) > 0 {
			a.Value = &p.values[0]
		}
		return a
	case TypeHandOver:
		return &HandOverAnswer{Taken: p.taken}
	case TypeSync:
		return &SyncAnswer{Same: p.same, Have: p.have}
	}
	return &PingAnswer{}
}

// appendPart reads one more element of a list.
func appendPart[T any](list *[]T, v fieldValue, limit int, decode func(*T, fieldValue) error) error {
	if len(*list) >= limit {
		return malformed(ErrBounds, "a list of more than %d", limit)
	}
	var part T
	err := decode(&part, v)
	*list = append(*list, part)
	return err
}

func decodeContact(to **overlay.Contact, v fieldValue) error {
	var id peer.ID
	var addrs []ma.Multiaddr
	size := 0
	err := v.fields(func(num protowire.Number, v fieldValue) error {
		var raw []byte
		switch {
		case num == fieldPeerID && id == "":
			if err := v.blob(&raw, maxPeerID); err != nil {
				return err
			}
			var err error
			if id, err = peer.IDFromBytes(raw); err != nil {
				return malformed(ErrForged, "no peer ID: %v", err)
			}
		case num == fieldAddr && len(addrs) < overlay.MaxAddrs:
			if err := v.blob(&raw, MaxAddr); err != nil {
				return err
			}
			a, err := ma.NewMultiaddrBytes(raw)
			if err != nil {
				return malformed(ErrBounds, "no address: %v", err)
			}
			addrs = append(addrs, a)
		default:
			return malformed(ErrBounds, "field %d in a contact", num)
		}
		if size += len(raw); size > MaxContact {
			return malformed(ErrBounds, "a contact of more than %d bytes", MaxContact)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if id == "" {
		return malformed(ErrForged, "a contact without a peer ID")
	}
	c := overlay.NewContact(id, addrs...)
	*to = &c
	return nil
}

func decodeHop(h *Hop, v fieldValue) error {
	took := 0
	err := v.once(func(num protowire.Number, v fieldValue) error {
		switch num {
		case fieldHopNode:
			return decodeContact(&h.Node, v)
		case fieldHopTook:
			return v.count(&took, int(MaxTook/time.Microsecond))
		case fieldHopSilent:
			return v.count(&h.Silent, maxCount)
		}
		return malformed(ErrBounds, "field %d in a hop", num)
	})
	if err == nil && h.Node == nil {
		return malformed(ErrBounds, "a hop without a node")
	}
	h.Took = time.Duration(took) * time.Microsecond
	return err
}

func decodeProvider(r *ProviderRecord, v fieldValue) error {
	keyed := false
	err := v.once(func(num protowire.Number, v fieldValue) error {
		switch num {
		case fieldRecordKey:
			keyed = true
			return v.place(&r.Key)
		case fieldRecordValue:
			return decodeContact(&r.Provider, v)
		case fieldRecordAge:
			return v.age(&r.Age)
		}
		return malformed(ErrBounds, "field %d in a provider record", num)
	})
	if err == nil && (!keyed || r.Provider == nil) {
		return malformed(ErrBounds, "a provider record without all of its fields")
	}
	return err
}

func decodeValue(r *ValueRecord, v fieldValue) error {
	err := v.once(func(num protowire.Number, v fieldValue) error {
		switch num {
		case fieldRecordKey:
			return v.blob(&r.Key, MaxKey)
		case fieldRecordValue:
			return v.blob(&r.Value, MaxValue)
		case fieldRecordAge:
			return v.age(&r.Age)
		}
		return malformed(ErrBounds, "field %d in a value", num)
	})
	if err == nil && (len(r.Key) == 0 || len(r.Value) == 0) {
		return malformed(ErrBounds, "a value without all of its fields")
	}
	return err
}
