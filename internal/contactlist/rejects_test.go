package contactlist

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ringqueue/ringqueue/campaign"
)

// reject imports text and writes its rejected rows to path; it returns what the file has then, "" for none.
func reject(t *testing.T, path, text string) (r *Reader, contacts int, file string) {
	t.Helper()
	r, err := Open(strings.NewReader(text), Options{IDKey: []byte("k")})
	if err != nil {
		t.Fatal(err)
	}
	w := NewRejectsWriter(path, r)
	accepted, rejected := rest(t, r)
	for _, row := range rejected {
		if err := w.Write(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if w.Count() != len(rejected) || w.Path() != path {
		t.Errorf("Count = %d, Path = %s; want %d, %s", w.Count(), w.Path(), len(rejected), path)
	}
	content, err := os.ReadFile(path)
	if err != nil && len(rejected) > 0 {
		t.Fatal(err)
	}
	return r, len(accepted), string(content)
}

func TestRejectsWriter(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{
			"as they were", "name,phone,note\nAna,2125550123,\n\"Bo \"\"B\"\"\",12,\"=1+1\"\n",
			"name,phone,note,ringqueue_line,ringqueue_reason\n" +
				"\"Bo \"\"B\"\"\",12,=1+1,3,phone is not a valid number; write it with + and country code\n",
		},
		{
			"short and long rows", "name,phone,note\nBo\nCy,,,more,cells\n",
			"name,phone,note,ringqueue_line,ringqueue_reason\n" +
				"Bo,,,2,no phone number: phone is empty\nCy,,,3,no phone number: phone is empty,more,cells\n",
		},
		{
			"delimiter and mark", "\ufeffname;phone\nÄnne;12\n",
			"\ufeffname;phone;ringqueue_line;ringqueue_reason\n" +
				"Änne;12;2;\"phone is not a valid number; write it with + and country code\"\n",
		},
		{
			"unreadable", "name,phone\n\"Bo,2125550123\nCy,2125550124\n",
			"name,phone,ringqueue_line,ringqueue_reason\n\"\"\"Bo\",2125550123,2,a quote is not closed\n",
		},
		{
			"no header", "Ana,212-555-0123\nBo,212-555-0125\nCy,212-555-0126\nDi,212-555-0127\nEd,1\n",
			"column_1,column_2,ringqueue_line,ringqueue_reason\nEd,1,5,column_2 is not a valid number; write it with + and country code\n",
		},
		{"none", "name,phone\nAna,2125550123\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			_, _, got := reject(t, filepath.Join(dir, "list.rejects.csv"), tt.text)
			if got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
			files, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			want := 1
			if tt.want == "" {
				want = 0
			}
			if len(files) != want {
				t.Errorf("%d files were left, want %d", len(files), want)
			}
			for _, file := range files {
				info, err := file.Info()
				if err != nil {
					t.Fatal(err)
				}
				if info.Mode().Perm() != 0o600 {
					t.Errorf("mode is %v, want readable by the owner only", info.Mode())
				}
			}
		})
	}
}

// TestRejectsComeBack corrects rejected rows and imports the file again, onto itself: the row's own cells are what they
// would have been in the list.
func TestRejectsComeBack(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, wrong, right, header string }{
		{"header", "id,phone,note\n1,2125550123,x\n2,WRONG,y,z\n", "WRONG", "2125550124", "id phone note"},
		{"no header", "x,212-555-0123\ny,21255501245,z\nw,212-555-0126\nv,212-555-0127\nu,212-555-0128\n", "21255501245", "212-555-0124", "column_1 column_2"},
		{"semicolons", "name;phone;note\nAna;WRONG;1,5\n", "WRONG", "2125550124", "name phone note"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "rejects.csv")
			_, _, file := reject(t, path, tt.text)
			r, contacts, rejected := readAll(t, strings.ReplaceAll(file, tt.wrong, tt.right), Options{})
			if len(contacts) != 1 || rejected != nil {
				t.Fatalf("got %d contacts, rejected %v from\n%s", len(contacts), rejected, file)
			}
			if got := strings.Join(r.Header(), " "); got != tt.header {
				t.Errorf("header is %q, want %q", got, tt.header)
			}
			_, want, _ := readAll(t, strings.ReplaceAll(tt.text, tt.wrong, tt.right), Options{})
			i := slices.IndexFunc(want, func(c campaign.Contact) bool { return c.Number() == contacts[0].Number() })
			if !slices.Equal(contacts[0].Values, want[i].Values) || contacts[0].ID != want[i].ID {
				t.Errorf("got %q %q, want %q %q", contacts[0].ID, contacts[0].Values, want[i].ID, want[i].Values)
			}
			if strings.HasPrefix(tt.header, "column_1") {
				return // without a single valid number its phone column cannot be told again
			}
			// The file is replaced by what was rejected of it, and stays while it is read.
			_, _, again := reject(t, path, file)
			if strings.Count(again, "\n") != strings.Count(file, "\n") {
				t.Errorf("imported again, uncorrected: got %q, want the rows of %q", again, file)
			}
		})
	}
}

func TestRejectsWriterErrors(t *testing.T) {
	t.Parallel()
	r, _, rejected := readAll(t, "phone\nx\n", Options{})
	w := NewRejectsWriter(filepath.Join(t.TempDir(), "no", "such", "folder.csv"), r)
	err := w.Write(rejected[0])
	if !errors.Is(err, os.ErrNotExist) || !strings.HasPrefix(err.Error(), "create rejects file: ") {
		t.Errorf("got %v", err)
	}
	if again := w.Close(); !errors.Is(again, os.ErrNotExist) {
		t.Errorf("Close: %v, want the error again", again)
	}
	if w.Count() != 0 {
		t.Errorf("Count = %d", w.Count())
	}
}
