package main

import (
	"errors"
	"image/color"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	_ "gonum.org/v1/plot/vg/vgsvg" // a format that Save can write
)

// palette has colours that can be told apart on paper, too.
var palette = []color.RGBA{
	{0x1b, 0x6c, 0xa8, 0xff}, {0xd9, 0x5f, 0x02, 0xff}, {0x1b, 0x9e, 0x77, 0xff}, {0x75, 0x70, 0xb3, 0xff},
	{0xe7, 0x29, 0x8a, 0xff}, {0x66, 0xa6, 0x1e, 0xff}, {0x66, 0x66, 0x66, 0xff}, {0xa6, 0x76, 0x1d, 0xff},
}

// plot draws the tables into files in a folder.
func (r *report) plot(folder string) error {
	var errs []error
	if len(r.Summary) > 0 {
		errs = append(errs, r.plotGaps(filepath.Join(folder, "performance-gap.svg")))
	}
	errs = append(errs, r.plotRoutes(filepath.Join(folder, "performance-routes.svg")))
	return errors.Join(errs...)
}

// least is the left end of a logarithmic scale of gaps: a gap of one or two
// probes is none.
const least = 0.1

// plotGaps draws the gaps of each tool's trials: each trial is a point, and the
// median a line.
func (r *report) plotGaps(file string) error {
	p := plot.New()
	p.Title.Text = "Longest time without an answer (ms)"
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.X.Min, p.X.Max = least, 10000
	var names []string
	for _, s := range r.Summary {
		if s.Phase == "counter-check" || s.Phase == "load" {
			continue
		}
		y := float64(len(names))
		name := s.Tool
		if s.Phase != "none" {
			name += ", " + s.Phase
		}
		names = append(names, name)
		points := make(plotter.XYs, 0, len(s.gaps))
		for i, g := range s.gaps {
			// Spread a little, so that points do not hide each other.
			points = append(points, plotter.XY{X: max(g, least), Y: y + 0.5*(float64(i%9)/8-0.5)})
		}
		dots, err := plotter.NewScatter(points)
		if err != nil {
			return err
		}
		dots.Shape, dots.Radius, dots.Color = draw.CircleGlyph{}, vg.Points(1.3), palette[0]
		middle, err := plotter.NewLine(plotter.XYs{{X: max(s.GapMedian, least), Y: y - 0.4}, {X: max(s.GapMedian, least), Y: y + 0.4}})
		if err != nil {
			return err
		}
		middle.Color, middle.Width = palette[1], vg.Points(2)
		p.Add(dots, middle)
	}
	p.NominalY(names...)
	p.Add(plotter.NewGrid())
	return p.Save(9*vg.Inch, vg.Length(1+0.3*float64(len(names)))*vg.Inch, file)
}

// plotRoutes draws time against the number of routes.
func (r *report) plotRoutes(file string) error {
	p := plot.New()
	p.Title.Text = "Time of start (median)"
	p.X.Label.Text, p.Y.Label.Text = "routes on the NIC", "ms"
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.LogTicks{Prec: -1}, plot.LogTicks{Prec: -1}
	p.Legend.Top, p.Legend.Left = true, true
	p.Add(plotter.NewGrid())
	lines := map[string]plotter.XYs{}
	var tools []string
	for _, t := range r.timings {
		if t.What != "start, routes" {
			continue
		}
		if lines[t.Tool] == nil {
			tools = append(tools, t.Tool)
		}
		lines[t.Tool] = append(lines[t.Tool], plotter.XY{X: float64(t.Size), Y: median(t.walls())})
	}
	if len(tools) == 0 {
		return nil
	}
	for i, name := range tools {
		line, points, err := plotter.NewLinePoints(lines[name])
		if err != nil {
			return err
		}
		line.Color, points.Color = palette[i], palette[i]
		line.Width, points.Shape = vg.Points(1.5), draw.CircleGlyph{}
		p.Add(line, points)
		p.Legend.Add(name, line, points)
	}
	return p.Save(7*vg.Inch, 4.5*vg.Inch, file)
}
