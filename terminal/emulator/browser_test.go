package emulator_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"encaisse/base/card"
	"encaisse/base/clock"
	"encaisse/base/i18n"
	"encaisse/terminal/emulator"
)

// browser is a page of the control in Chromium.
type browser struct {
	t   *testing.T
	ctx context.Context
	url string
}

// open starts Chromium on the control of a reader.
func open(t *testing.T, e *emulator.Emulator) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("no chromium: `make deps` installs it")
		}
		t.Skip("no chromium")
	}
	catalogue, err := i18n.New()
	if err != nil {
		t.Fatal(err)
	}
	control, err := emulator.NewControl(e, catalogue)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(control.Handler())
	t.Cleanup(server.Close)
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, closePage := chromedp.NewContext(allocator)
	t.Cleanup(closePage)
	ctx, done := context.WithTimeout(ctx, 4*patience)
	t.Cleanup(done)
	t.Cleanup(func() { e.Close() }) // ends the event streams, which server.Close waits for
	return &browser{t, ctx, server.URL}
}

func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// says waits until the reader's screen says a text.
func (b *browser) says(text string) {
	b.t.Helper()
	b.until(fmt.Sprintf("document.querySelector('#screen').innerText.includes(%q)", text))
}

// until waits for an expression to be true in the page.
func (b *browser) until(expression string) {
	b.t.Helper()
	_, err := chromedp.Run(b.ctx, chromedp.Poll[bool](expression, chromedp.WithPollingInterval(10*time.Millisecond), chromedp.WithPollingTimeout(patience)))
	if errors.Is(err, chromedp.ErrPollingTimeout) {
		b.t.Fatalf("never true: %s", expression)
	} else if err != nil {
		b.t.Fatal(err)
	}
}

// shoot keeps a picture of the page where ENCAISSE_SHOTS names a folder.
func (b *browser) shoot(name string) {
	b.t.Helper()
	folder := os.Getenv("ENCAISSE_SHOTS")
	if folder == "" {
		return
	}
	picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), picture, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// TestUPM019_TheCodeIsTypedOnTheReader pays through the page alone: T01 to T08
// as a person sees them.
func TestUPM019_TheCodeIsTypedOnTheReader(t *testing.T) {
	h := newHub(t, clock.Real{})
	e := h.reader(emulator.Options{})
	b := open(t, e)
	b.do(chromedp.EmulateViewport(1280, 1000), chromedp.Navigate(b.url+"/?lang=fr"))
	b.says("PRET")
	d := h.payment(42_50)
	d.PrintSlip = true
	h.perform(d)
	b.says("INSERER CARTE")
	b.do(chromedp.Click(chromedp.CSS(`button[formaction="/v1/actions/insert"][aria-label$="CB Visa"]`)))
	b.says("CODE")
	b.do(chromedp.Focus(chromedp.CSS("#pad")), chromedp.KeyEvent("12"))
	b.says("**")
	b.shoot("code-1280")
	b.do(chromedp.KeyEvent("34\r"))
	b.says("RETIRER CARTE")
	if c := h.word(d.Attempt); !c.Success || !c.Printed {
		t.Fatalf("%+v", c)
	}
	b.do(chromedp.Click(chromedp.CSS("#remove")))
	b.says("PAIEMENT ACCEPTE")
	b.until("document.querySelector('.slip').innerText.includes('MONTANT')")
	d = h.payment(8_00) // without contact, nobody is asked for a code
	h.perform(d)
	b.says("8,00")
	b.do(chromedp.Click(chromedp.CSS(`button[formaction="/v1/actions/tap"][aria-label$="CB Visa"]`)))
	if c := h.word(d.Attempt); !c.Success || c.Card.Verified != card.NoCVM {
		t.Errorf("%+v", c)
	}
	b.says("PAIEMENT ACCEPTE")
	for _, width := range []int64{360, 768, 1280} {
		b.do(chromedp.EmulateViewport(width, 900))
		over, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("document.documentElement.scrollWidth > window.innerWidth"))
		if err != nil || over {
			t.Errorf("the page is wider than %d px: %v", width, err)
		}
		b.shoot(fmt.Sprintf("page-%d", width))
	}
}

// TestT01_ReactsWithin300ms measures from a click to the screen.
func TestT01_ReactsWithin300ms(t *testing.T) {
	h := newHub(t, clock.Real{})
	e := h.reader(emulator.Options{})
	b := open(t, e)
	b.do(chromedp.Navigate(b.url + "/?lang=fr"))
	h.perform(h.payment(10_00))
	b.says("INSERER CARTE")
	e.Present("visa", emulator.Insert)
	b.says("CODE")
	const measure = `(async () => {
		const began = performance.now();
		const stars = document.querySelector("#screen");
		const seen = new Promise((done) => new MutationObserver((_, o) => { o.disconnect(); done(performance.now()); }).observe(stars, { childList: true, subtree: true }));
		document.querySelector("#pad button[value='1']").click();
		return (await seen) - began;
	})()`
	best := 1e9
	for range 5 { // a busy machine may be slow once; the best is what the page can do
		took, err := chromedp.Run(b.ctx, chromedp.Evaluate[float64](measure, chromedp.EvalAwaitPromise))
		if err != nil {
			t.Fatal(err)
		}
		best = min(best, took)
	}
	t.Logf("a key is on the screen after %.0f ms", best)
	if best > 300 {
		t.Errorf("a key took %.0f ms to the screen", best)
	}
}
