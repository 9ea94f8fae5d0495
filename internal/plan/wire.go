package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
)

// wireOp is an operation in the journal.
type wireOp struct {
	Kind string          `json:"kind"`
	Op   json.RawMessage `json:"op"`
	Bulk int             `json:"bulk,omitempty"` // how many bytes of the bulk are its own

	bulk iter.Seq[[]byte] // to be written
}

// wireStep is a step in the journal: what takes it back.
type wireStep struct {
	Title string   `json:"title"`
	Undo  []wireOp `json:"undo,omitempty"`
}

// encoder encodes steps, and goes through their bulk once for that.
type encoder struct {
	size int    // bytes of bulk
	sum  uint32 // its checksum
}

func (e *encoder) steps(steps []Step) ([]wireStep, error) {
	out := make([]wireStep, len(steps))
	for i, s := range steps {
		out[i] = wireStep{Title: s.Title, Undo: make([]wireOp, len(s.Undo))}
		for k, op := range s.Undo {
			err := guard(func() (err error) {
				out[i].Undo[k], err = e.op(op)
				return err
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func (e *encoder) op(op Op) (w wireOp, err error) {
	w.Kind = op.Kind()
	var head any = op
	if b, ok := op.(Bulky); ok {
		w.bulk, head = b.Bulk(), b.Head()
		for piece := range w.bulk {
			e.sum = checksum(e.sum, piece, e.size+w.Bulk)
			w.Bulk += len(piece)
		}
		e.size += w.Bulk
	}
	w.Op, err = json.Marshal(head)
	return w, err
}

// bulk yields what the steps' operations have besides their JSON, in order.
func bulk(steps []wireStep) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for _, s := range steps {
			for _, op := range s.Undo {
				if op.bulk == nil {
					continue
				}
				for piece := range op.bulk {
					if !yield(piece) {
						return
					}
				}
			}
		}
	}
}

// decoder reads steps: kinds are the known operations, read is how their JSON is read,
// and bulk is what they have besides it.
type decoder struct {
	kinds Kinds
	read  func([]byte, any) error
	bulk  []byte
}

// errShort says that a part of a journal is missing.
var errShort = errors.New("it is cut short")

// steps reads all of them, and all of the bulk.
func (d *decoder) steps(steps []wireStep) ([]Step, error) {
	out := make([]Step, len(steps))
	for i, s := range steps {
		undo, err := d.ops(s.Undo)
		if err != nil {
			return nil, err
		}
		out[i] = Step{Title: s.Title, Undo: undo}
	}
	if len(d.bulk) > 0 {
		return nil, errors.New("there is something after its operations")
	}
	return out, nil
}

func (d *decoder) ops(ops []wireOp) ([]Op, error) {
	if len(ops) == 0 {
		return nil, nil
	}
	out := make([]Op, len(ops))
	for i, w := range ops {
		err := guard(func() (err error) {
			out[i], err = d.op(w)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (d *decoder) op(w wireOp) (Op, error) {
	empty, ok := d.kinds[w.Kind]
	if !ok {
		return nil, &newer{fmt.Sprintf("there is no operation %q in this version", w.Kind)}
	}
	op := empty()
	if err := d.read(w.Op, op); err != nil {
		return nil, err
	}
	return op, d.readBulk(op, w.Bulk)
}

// readBulk gives an operation its part of the bulk.
func (d *decoder) readBulk(op Op, size int) error {
	b, ok := op.(Bulky)
	if size < 0 || size > len(d.bulk) || size > 0 && !ok {
		return errShort
	}
	if !ok {
		return nil
	}
	mine := d.bulk[:size:size]
	d.bulk = d.bulk[size:]
	return b.SetBulk(mine)
}

// guard turns a panic of an operation into an error: one that goes wrong must not keep
// the others from being carried out.
func guard(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("it has gone wrong: %v", v)
		}
	}()
	return f()
}
