package cli

import (
	"io"

	"xbr-script/internal/config"
	"xbr-script/internal/draw"
	"xbr-script/internal/operate"
)

// printPicture draws the network. For a terminal it also says what is wrong.
func printPicture(w io.Writer, req *config.Request, r *operate.Report, l look) {
	switch req.Draw {
	case config.DrawSVG:
		_, _ = io.WriteString(w, r.Picture.SVG(req.Verbose))
		return
	case config.DrawDot:
		_, _ = io.WriteString(w, r.Picture.Dot(req.Verbose))
		return
	}
	printLast(w, r, req.Verbose)
	_, _ = io.WriteString(w, r.Picture.Text(draw.Style{ASCII: !l.unicode, All: req.Verbose}))
	begun := false
	for _, st := range r.Bridges {
		if len(st.Wrong) > 0 && !begun {
			say(w, "")
			begun = true
		}
		if len(st.Wrong) > 0 {
			paint(w, strong, st.Bridge)
			say(w, st.Bridge)
			printWrong(w, st.Wrong)
		}
	}
}
