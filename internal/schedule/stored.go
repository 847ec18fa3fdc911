package schedule

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// StoredList is a call list that is kept in Redis, for schedules to read as stored:NAME.
type StoredList struct {
	Name     string    `json:"name"`
	File     string    `json:"file"` // as it was called
	Bytes    int64     `json:"bytes"`
	StoredAt time.Time `json:"stored_at"`
}

// StoreList keeps a call list in Redis under a name, in place of the one that is there. The old one stays until the new
// one is complete.
func (s *Store) StoreList(ctx context.Context, name, file string, r io.Reader) (StoredList, error) {
	now, err := s.Now(ctx)
	if err != nil {
		return StoredList{}, err
	}
	temp := "ringqueue:{schedule}:reading:" + rand.Text()
	w := &chunks{ctx: ctx, rdb: s.rdb, key: temp}
	if err := w.push(entryFile, []byte(file)); err != nil {
		return StoredList{}, err
	}
	n, err := io.Copy(w, io.LimitReader(r, maxBytes+1))
	if err == nil && n > maxBytes {
		err = fmt.Errorf("%s: is larger than %d MiB", file, maxBytes>>20)
	}
	if err = errors.Join(err, w.flush()); err != nil {
		return StoredList{}, errors.Join(err, s.rdb.Unlink(ctx, temp).Err())
	}
	list := StoredList{Name: name, File: file, Bytes: n, StoredAt: now.UTC().Truncate(time.Second)}
	src, err := json.Marshal(list)
	if err != nil {
		return StoredList{}, wrap("store a list", err)
	}
	_, err = s.rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.Rename(ctx, temp, keyStored+":"+name)
		p.Persist(ctx, keyStored+":"+name)
		p.HSet(ctx, keyStored, name, src)
		return nil
	})
	return list, wrap("store a list", err)
}

// StoredLists lists the call lists that are kept in Redis, by name.
func (s *Store) StoredLists(ctx context.Context) ([]StoredList, error) {
	all, err := s.rdb.HGetAll(ctx, keyStored).Result()
	if err != nil {
		return nil, wrap("list stored lists", err)
	}
	lists := make([]StoredList, 0, len(all))
	for _, src := range all {
		var list StoredList
		if err := json.Unmarshal([]byte(src), &list); err != nil {
			return nil, wrap("list stored lists", err)
		}
		lists = append(lists, list)
	}
	slices.SortFunc(lists, func(a, b StoredList) int { return strings.Compare(a.Name, b.Name) })
	return lists, nil
}

// RemoveList removes a stored call list; false if there is none of this name.
func (s *Store) RemoveList(ctx context.Context, name string) (bool, error) {
	var removed *redis.IntCmd
	_, err := s.rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
		removed = p.HDel(ctx, keyStored, name)
		p.Unlink(ctx, keyStored+":"+name)
		return nil
	})
	return err == nil && removed.Val() == 1, wrap("remove a stored list", err)
}
