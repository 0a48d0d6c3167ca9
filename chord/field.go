package chord

import (
	"bytes"
	"encoding/binary"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"ringswap/overlay"
)

// fieldValue is one protobuf field: a varint, or bytes that are part of the
// message.
type fieldValue struct {
	number uint64
	raw    []byte
	wire   protowire.Type
}

func (v fieldValue) integer(to *uint64) error {
	if v.wire != protowire.VarintType || v.number == 0 {
		return malformed(ErrBounds, "not a number other than 0")
	}
	*to = v.number
	return nil
}

func (v fieldValue) count(to *int, most int) error {
	if v.wire != protowire.VarintType || v.number == 0 || v.number > uint64(most) {
		return malformed(ErrBounds, "not a number of 1 to %d", most)
	}
	*to = int(v.number)
	return nil
}

func (v fieldValue) flag(to *bool) error {
	n := 0
	err := v.count(&n, 1)
	*to = n == 1
	return err
}

// place reads the 32 bytes of an ID.
func (v fieldValue) place(to *overlay.ID) error {
	if v.wire != protowire.BytesType || len(v.raw) != overlay.IDBytes {
		return malformed(ErrBounds, "not a place of the ring")
	}
	*to = overlay.ID(v.raw)
	return nil
}

// prints reads fingerprints of 8 bytes each.
func (v fieldValue) prints(to *[]uint64) error {
	if v.wire != protowire.BytesType || len(v.raw) == 0 || len(v.raw)%8 != 0 || len(v.raw) > 8*MaxHave {
		return malformed(ErrBounds, "not 1 to %d fingerprints", MaxHave)
	}
	for b := v.raw; len(b) > 0; b = b[8:] {
		*to = append(*to, binary.BigEndian.Uint64(b))
	}
	return nil
}

func (v fieldValue) age(to *time.Duration) error {
	n := 0
	err := v.count(&n, int(MaxAge/time.Second))
	*to = time.Duration(n) * time.Second
	return err
}

func (v fieldValue) blob(to *[]byte, most int) error {
	if v.wire != protowire.BytesType || len(v.raw) == 0 || len(v.raw) > most {
		return malformed(ErrBounds, "not 1 to %d bytes", most)
	}
	*to = bytes.Clone(v.raw)
	return nil
}

// fields walks over the message that the field contains.
func (v fieldValue) fields(f func(protowire.Number, fieldValue) error) error {
	if v.wire != protowire.BytesType {
		return malformed(ErrBounds, "not a message")
	}
	return eachField(v.raw, f)
}

// once is fields for a message of which no field is repeated.
func (v fieldValue) once(f func(protowire.Number, fieldValue) error) error {
	var seen fieldSet
	return v.fields(func(num protowire.Number, v fieldValue) error {
		if num >= fieldEnd || seen&setOf(num) != 0 {
			return malformed(ErrBounds, "field %d twice, or unknown", num)
		}
		seen |= setOf(num)
		return f(num, v)
	})
}

// eachField walks over a protobuf message whose fields are varints and bytes.
func eachField(b []byte, f func(protowire.Number, fieldValue) error) error {
	for len(b) > 0 {
		num, wire, n := protowire.ConsumeTag(b)
		if n < 0 {
			return malformed(ErrBounds, "no field")
		}
		b = b[n:]
		v := fieldValue{wire: wire}
		switch wire {
		case protowire.VarintType:
			v.number, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			v.raw, n = protowire.ConsumeBytes(b)
		default:
			return malformed(ErrBounds, "field %d has a foreign wire type", num)
		}
		if n < 0 {
			return malformed(ErrBounds, "field %d is cut short", num)
		}
		if err := f(num, v); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}
