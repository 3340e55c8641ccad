package api

func (a *API) documents() {}
