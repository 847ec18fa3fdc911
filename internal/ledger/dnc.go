package ledger

import "context"

// DNCAdd puts numbers (E.164) on the do-not-call list and says how many were new to it.
func (l *Ledger) DNCAdd(ctx context.Context, numbers ...string) (int, error) {
	if len(numbers) == 0 {
		return 0, nil
	}
	n, err := l.rdb.SAdd(ctx, keyDNC, members(numbers)...).Result()
	return int(n), wrap("add to do-not-call list", err)
}

// DNCRemove takes numbers off the do-not-call list and says how many were on it.
func (l *Ledger) DNCRemove(ctx context.Context, numbers ...string) (int, error) {
	if len(numbers) == 0 {
		return 0, nil
	}
	n, err := l.rdb.SRem(ctx, keyDNC, members(numbers)...).Result()
	return int(n), wrap("remove from do-not-call list", err)
}

// DNCHas says whether a number is on the do-not-call list.
func (l *Ledger) DNCHas(ctx context.Context, number string) (bool, error) {
	on, err := l.rdb.SIsMember(ctx, keyDNC, number).Result()
	return on, wrap("look up do-not-call list", err)
}

// DNCEach visits the numbers on the do-not-call list in no particular order; a number may come twice while the list
// changes.
func (l *Ledger) DNCEach(ctx context.Context, visit func(number string) error) error {
	var cursor uint64
	for {
		page, next, err := l.rdb.SScan(ctx, keyDNC, cursor, "", 1000).Result()
		if err != nil {
			return wrap("read do-not-call list", err)
		}
		for _, number := range page {
			if err := visit(number); err != nil {
				return err
			}
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

func members(numbers []string) []any {
	list := make([]any, len(numbers))
	for i, n := range numbers {
		list[i] = n
	}
	return list
}
