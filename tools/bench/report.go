package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"

	"golang.org/x/sys/unix"
)

// A report is everything that was measured.
type report struct {
	Kernel  string            `json:"kernel"`
	Cores   int               `json:"cores"`
	Quick   bool              `json:"quick"`
	Rate    int               `json:"probes_a_second_each_way"`
	Seconds float64           `json:"took_s"`
	Load    []string          `json:"load_average"` // when each part began
	Tools   map[string]string `json:"tools"`
	Absent  map[string]string `json:"tools_that_could_not,omitempty"`
	Carried []carried         `json:"load_without_a_command"`
	Summary []summary         `json:"loss"`
	Guard   []*guarded        `json:"guard"`
	Timings []*timing         `json:"time"`
	Trials  []trial           `json:"trials"`
	timings []*timing
	order   []string
}

func newReport(o *options) *report {
	r := &report{Cores: runtime.NumCPU(), Quick: o.quick, Rate: o.rate, Tools: map[string]string{}, Absent: map[string]string{}}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		r.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	return r
}

// tool adds what a reader must know of a tool.
func (r *report) tool(t tool) {
	r.Tools[t.Name] = t.Note
	if t.why != "" {
		r.Absent[t.Name] = t.why
	}
}

// A summary is all trials of one tool and phase.
type summary struct {
	Tool      string         `json:"tool"`
	Phase     string         `json:"phase"`
	Trials    int            `json:"trials"`
	Lossless  int            `json:"trials_without_loss"`
	Lost      int            `json:"lost_in_all"`
	LostMost  int            `json:"lost_at_most"`
	ByWay     map[string]int `json:"lost_by_way"`
	LostThere int            `json:"lost_on_the_way_there"`
	Sent      int            `json:"sent"`
	Twice     int            `json:"arrived_twice"`
	GapMedian float64        `json:"gap_median_ms"`
	Gap95     float64        `json:"gap_95_percent_ms"`
	GapMost   float64        `json:"gap_at_most_ms"`
	GapsOver1 int            `json:"trials_with_a_gap_over_1_ms"`
	HoleMost  float64        `json:"hole_at_most_ms"`
	LateMost  float64        `json:"late_at_most_ms"`
	Resent    int            `json:"tcp_segments_sent_again"`
	ResentIn  int            `json:"trials_with_tcp_segments_sent_again"`
	StallMost float64        `json:"tcp_stall_at_most_ms"`
	Wall      float64        `json:"wall_median_ms"`
	WallLeast float64        `json:"wall_least_ms"`
	WallMost  float64        `json:"wall_most_ms"`
	Foreign   map[string]int `json:"frames_from_foreign_macs,omitempty"`
	Frames    map[string]int `json:"other_frames,omitempty"`
	Failed    int            `json:"failed"`
	gaps      []float64
}

func (r *report) summarize() {
	r.Timings = r.timings
	r.Summary = nil
	var keys []string
	by := map[string][]trial{}
	for _, t := range r.Trials {
		key := t.Tool + "\x00" + t.Phase
		if by[key] == nil {
			keys = append(keys, key)
		}
		by[key] = append(by[key], t)
	}
	for _, key := range keys {
		r.Summary = append(r.Summary, summarize(by[key]))
	}
}

func summarize(trials []trial) summary {
	s := summary{
		Tool: trials[0].Tool, Phase: trials[0].Phase, Trials: len(trials),
		ByWay: map[string]int{}, Foreign: map[string]int{}, Frames: map[string]int{},
	}
	var walls []float64
	for i := range trials {
		t := &trials[i]
		s.Lost += t.lost()
		s.LostMost = max(s.LostMost, t.lost())
		s.Twice += t.twice()
		s.Resent += t.Resent
		s.StallMost = max(s.StallMost, t.Stall)
		if t.lost() == 0 {
			s.Lossless++
		}
		if t.Resent > 0 {
			s.ResentIn++
		}
		if t.gap() > 1 {
			s.GapsOver1++
		}
		if t.Failed != "" {
			s.Failed++
		}
		for name, way := range t.Ways {
			s.ByWay[name] += way.Lost
			s.LostThere += way.LostThere
			s.Sent += way.Sent
			s.HoleMost = max(s.HoleMost, way.Hole)
			s.LateMost = max(s.LateMost, way.Late)
		}
		s.gaps = append(s.gaps, t.gap())
		walls = append(walls, t.Wall)
		sum(s.Foreign, t.Foreign)
		sum(s.Frames, t.Frames)
	}
	s.GapMedian, s.Gap95, s.GapMost = median(s.gaps), quantile(s.gaps, 0.95), slices.Max(s.gaps)
	s.Wall, s.WallLeast, s.WallMost = median(walls), slices.Min(walls), slices.Max(walls)
	return s
}

func sum(into, from map[string]int) {
	for k, n := range from {
		into[k] += n
	}
}

// print prints the tables.
func (r *report) print(out io.Writer) {
	r.summarize()
	fmt.Fprintf(out, "Linux %s, %d cores, %.0f s in all\n", r.Kernel, r.Cores, r.Seconds)
	fmt.Fprintf(out, "Load average at the beginning of each part: %s\n", strings.Join(r.Load, ", "))
	r.printLoad(out)
	r.printLoss(out)
	r.printGuard(out)
	r.printTime(out)
	for _, name := range slices.Sorted(maps.Keys(r.Tools)) {
		fmt.Fprintf(out, "%s: %s\n", name, r.Tools[name])
	}
	for _, name := range slices.Sorted(maps.Keys(r.Absent)) {
		fmt.Fprintf(out, "%s could not: %s\n", name, r.Absent[name])
	}
}

// table prints rows under a heading.
func table(out io.Writer, title string, rows [][]string) {
	if len(rows) < 2 {
		return
	}
	fmt.Fprintf(out, "\n%s\n\n", title)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(w, "  "+strings.Join(row, "\t"))
	}
	_ = w.Flush()
}

func (r *report) printLoad(out io.Writer) {
	rows := [][]string{{"asked/s each way", inward + "/s", outward + "/s", "lost", "longest gap ms", "late ms", "processors"}}
	for _, c := range r.Carried {
		rows = append(rows, []string{
			fmt.Sprint(c.Rate), fmt.Sprintf("%.0f", c.Sent[inward]), fmt.Sprintf("%.0f", c.Sent[outward]),
			fmt.Sprint(c.Lost), ms(c.Gap), ms(c.Late), fmt.Sprintf("%.2f", c.CPU),
		})
	}
	table(out, "What the machine carries without any command", rows)
}

func (r *report) printLoss(out io.Writer) {
	rows := [][]string{{
		"tool", "phase", "trials", "no loss", "lost", "at most", "gap ms: median", "95 %", "most", ">1 ms", "hole ms", "late ms", "TCP again", "stall ms", "twice", "foreign", "wall ms",
	}}
	for _, s := range r.Summary {
		foreign := 0
		for _, n := range s.Foreign {
			foreign += n
		}
		rows = append(rows, []string{
			s.Tool, s.Phase, fmt.Sprint(s.Trials), fmt.Sprint(s.Lossless), fmt.Sprint(s.Lost), fmt.Sprint(s.LostMost),
			ms(s.GapMedian), ms(s.Gap95), ms(s.GapMost), fmt.Sprint(s.GapsOver1), ms(s.HoleMost), ms(s.LateMost),
			fmt.Sprintf("%d in %d", s.Resent, s.ResentIn), ms(s.StallMost), fmt.Sprint(s.Twice), fmt.Sprint(foreign),
			fmt.Sprintf("%s (%s-%s)", ms(s.Wall), ms(s.WallLeast), ms(s.WallMost)),
		})
	}
	table(out, "Loss under load", rows)
}

func (r *report) printTime(out io.Writer) {
	rows := [][]string{{"what", "size", "tool", "runs", "median ms", "range ms", "ratio", "at most", "in kernel", "µs each", "max RSS MiB", "quiet"}}
	for _, t := range r.timings {
		walls := t.walls()
		ratio, most := r.ratio(t)
		row := []string{t.What, "", t.Tool, fmt.Sprint(len(walls)), ms(median(walls)),
			ms(slices.Min(walls)) + "-" + ms(slices.Max(walls)), ratio, most, "", "", "", fmt.Sprintf("%d of %d", t.Quiet, len(t.Walls))}
		row[8] = fmt.Sprintf("%.0f %%", 100*t.System/max(median(t.Walls), 1e-9))
		if t.Size > 0 {
			row[1], row[9] = fmt.Sprint(t.Size), fmt.Sprintf("%.2f", 1e3*median(walls)/float64(t.Size))
		}
		if t.MaxRSS > 0 {
			row[10] = fmt.Sprintf("%.1f", float64(t.MaxRSS)/1024)
		}
		if !t.onQuiet() {
			row[11] += ", all count"
		}
		rows = append(rows, row)
	}
	table(out, "Time (ratio: xbr-script's median by this one's; at most: in one turn; quiet: runs on a quiet machine, which count)", rows)
	fmt.Fprintln(out)
}

// ratio is our time divided by that one, for the same task: of the medians, and at most
// in one turn.
func (r *report) ratio(t *timing) (ratio, most string) {
	if t.Tool == ours {
		return "", ""
	}
	for _, own := range r.timings {
		if own.Tool != ours || own.What != t.What || own.Size != t.Size {
			continue
		}
		worst := 0.0
		for i := range min(len(own.Walls), len(t.Walls)) {
			worst = max(worst, own.Walls[i]/t.Walls[i])
		}
		return fmt.Sprintf("%.2f", median(own.walls())/median(t.walls())), fmt.Sprintf("%.2f", worst)
	}
	return "", ""
}

func ms(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// writeJSON writes the whole report, one trial a line, as there are hundreds.
func (r *report) writeJSON(name string) error {
	r.summarize()
	trials := r.Trials
	r.Trials = nil
	text, err := json.MarshalIndent(r, "", " ")
	r.Trials = trials
	if err != nil {
		return err
	}
	var lines []string
	for _, t := range trials {
		line, err := json.Marshal(t)
		if err != nil {
			return err
		}
		lines = append(lines, "  "+string(line))
	}
	const none = `"trials": null`
	all := "\"trials\": [\n" + strings.Join(lines, ",\n") + "\n ]"
	return os.WriteFile(name, []byte(strings.Replace(string(text), none, all, 1)+"\n"), 0o644)
}
