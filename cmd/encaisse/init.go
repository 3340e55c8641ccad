package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"encaisse/access"
	"encaisse/base/clock"
	"encaisse/base/db"
	"encaisse/base/money"
	"encaisse/base/problem"
	"encaisse/base/secret"
	"encaisse/merchant"
)

type initCmd struct {
	databaseFlags
	jsonFlag
	Email   string `help:"E-mail of the administrator: the login." required:""`
	Company string `help:"Legal name of the company." required:""`
	SIRET   string `name:"siret" help:"SIRET of the first site, 14 digits." required:""`
	Name    string `help:"Name of the administrator." default:"Administrateur"`
	Code    string `help:"6-digit code of the administrator; drawn at random when left out."`
	Site    string `help:"Name of the first site; the company's when left out."`
}

// founded is what init prints. The API key is shown here and never again.
type founded struct {
	Merchant      string `json:"merchant_id"`
	Site          string `json:"site_id"`
	Till          string `json:"till_register_id"`
	History       string `json:"history_register_id"`
	Email         string `json:"email"`
	Code          string `json:"code"`
	APIKey        string `json:"api_key"`
	PublicKey     string `json:"public_key"`
	PublicKeyFile string `json:"public_key_file,omitempty"`
	KeyFile       string `json:"key_file,omitempty"`
}

func (c *initCmd) Run(ctx context.Context, o output) error {
	if err := c.makeMaster(); err != nil {
		return err
	}
	h, err := c.open(ctx, quiet(o.err), clock.Real{}, nil)
	if err != nil {
		return err
	}
	defer h.db.Close()
	if there, err := merchant.All(ctx, h.db); err != nil {
		return err
	} else if len(there) > 0 {
		return problem.New(problem.Conflict, "cmd.initialised")
	}
	result, err := h.found(ctx, founding{
		Company: c.Company, SIRET: c.SIRET, SiteName: c.Site, AdminName: c.Name, Email: c.Email, Code: c.Code,
	})
	if err != nil {
		return err
	}
	if err := result.export(c.KeyFile); err != nil {
		return err
	}
	return o.done(c.JSON, result, func(w io.Writer) {
		fmt.Fprintf(w, "Merchant  %s\nTill      %s\nHistory   %s\n", result.Merchant, result.Till, result.History)
		fmt.Fprintf(w, "Sign in   %s with code %s\nAPI key   %s   (shown once)\n", result.Email, result.Code, result.APIKey)
		fmt.Fprintf(w, "Master key in %s: back it up apart from the database.\n", result.KeyFile)
	})
}

// export writes the public key beside the master key: it is what a verifier
// trusts, so a copy of it belongs outside the installation.
func (f *founded) export(keyFile string) error {
	if keyFile == "" {
		return nil
	}
	f.KeyFile, f.PublicKeyFile = keyFile, keyFile+".pub"
	return os.WriteFile(f.PublicKeyFile, []byte(f.PublicKey+"\n"), 0o644)
}

// makeMaster makes the master key where its file does not exist yet.
func (c *initCmd) makeMaster() error {
	if c.MasterKey != "" {
		return nil
	}
	if c.KeyFile == "" {
		return problem.New(problem.Invalid, "cmd.key_file").At("--key-file")
	}
	if _, err := os.Stat(c.KeyFile); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	master, err := secret.NewMaster()
	if err != nil {
		return err
	}
	return master.Save(c.KeyFile)
}

// founding is what a new merchant is made from.
type founding struct {
	Company, SIRET, SiteName, AdminName, Email, Code string
}

// found makes a merchant able to sell, in one commit: company, site, registers,
// data key, signing key, a chain each, administrator.
func (h *house) found(ctx context.Context, f founding) (founded, error) {
	if f.Code == "" {
		f.Code = access.DrawCode()
	}
	if len(f.SIRET) < 9 {
		return founded{}, problem.New(problem.Invalid, "merchant.siret").At("siret")
	}
	if f.SiteName == "" {
		f.SiteName = f.Company
	}
	admin, err := h.gate.Prepare(ctx, access.Enrolment{Name: f.AdminName, Email: f.Email, Role: access.Administrator, Code: f.Code})
	if err != nil {
		return founded{}, err
	}
	var made merchant.Founded
	result := founded{Email: f.Email, Code: f.Code}
	err = h.db.Write(ctx, func(tx *db.Tx) error {
		now := h.clock.Now()
		made, err = merchant.Found(tx, now, merchant.Founding{
			Company: f.Company, SIREN: f.SIRET[:9], SIRET: f.SIRET, SiteName: f.SiteName,
			Currency: money.Currency("EUR"), Mode: merchant.Complet,
		})
		if err != nil {
			return err
		}
		if _, _, err := access.Enrol(tx, now, access.System(made.Merchant.ID), admin); err != nil {
			return err
		}
		if _, err := h.vault.Create(tx, now, made.Merchant.ID); err != nil {
			return err
		}
		result.PublicKey, err = h.journal.Found(tx, now, made)
		return err
	})
	if err != nil {
		return founded{}, err
	}
	principal := access.System(made.Merchant.ID)
	_, result.APIKey, err = h.gate.CreateKey(ctx, principal, "first key", access.Administrator)
	result.Merchant, result.Site = string(made.Merchant.ID), string(made.Site.ID)
	result.Till, result.History = string(made.Till.ID), string(made.History.ID)
	return result, err
}
