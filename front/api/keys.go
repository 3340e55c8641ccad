package api

import (
	"context"
	"net/http"

	"encaisse/access"
	"encaisse/base/id"
)

type keyRequest struct {
	Name string `json:"name" minLength:"1" maxLength:"60" doc:"Which program has it." example:"Site web"`
	Role string `json:"role" enum:"administrator,manager,user" doc:"What the program may do."`
}

// keyBody is an API key, without its secret.
type keyBody struct {
	ID        id.Key  `json:"id"`
	Name      string  `json:"name" example:"Site web"`
	Role      string  `json:"role" enum:"administrator,manager,user"`
	Hint      string  `json:"hint" doc:"Its last four characters." example:"x7qd"`
	CreatedAt string  `json:"created_at" format:"date-time"`
	RevokedAt *string `json:"revoked_at" format:"date-time"`
}

func keyOf(k access.Key) keyBody {
	return keyBody{
		ID: k.ID, Name: k.Name, Role: string(k.Role), Hint: k.Hint, CreatedAt: stamp(k.CreatedAt), RevokedAt: stampOrNone(k.RevokedAt),
	}
}

type newKeyBody struct {
	Key    keyBody `json:"key"`
	Secret string  `json:"secret" doc:"Shown here and nowhere else." example:"sk_live_…"`
}

type keysBody struct {
	Keys []keyBody `json:"keys" nullable:"false" doc:"In the order they were made, revoked ones too."`
}

func (a *API) keys() {
	add(a, operation{
		id: "list-keys", method: http.MethodGet, path: "/v1/keys", tag: tagAccess,
		summary: "List API keys", guard: needs(access.KeysRead),
	}, a.listKeys)
	add(a, operation{
		id: "create-key", method: http.MethodPost, path: "/v1/keys", tag: tagAccess,
		summary: "Make an API key",
		text: "Its secret is shown once. Repeating the request makes another key and harms nothing: revoke the one whose secret did not arrive, " +
			"which the list shows.",
		guard: needs(access.KeysWrite), always: http.StatusCreated, example: keyRequest{Name: "Site web", Role: string(access.User)},
		refuses: refusals{409: {"access.too_many_keys"}, 422: {"access.key_name", "access.role"}},
	}, a.postKey)
	add(a, operation{
		id: "revoke-key", method: http.MethodDelete, path: "/v1/keys/{id}", tag: tagAccess,
		summary: "Revoke an API key", text: "For ever, from the next request on. Again: changes nothing.",
		guard: needs(access.KeysWrite), refuses: refusals{404: {"access.key_not_found"}},
	}, a.deleteKey)
}

func (a *API) listKeys(ctx context.Context, p access.Principal, _ *nothing) (*answer[keysBody], error) {
	list, err := a.doors.Gate.Keys(ctx, p)
	if err != nil {
		return nil, err
	}
	out := keysBody{Keys: make([]keyBody, len(list))}
	for i, k := range list {
		out.Keys[i] = keyOf(k)
	}
	return fine(out), nil
}

type postKeyInput struct {
	Body body[keyRequest]
}

func (a *API) postKey(ctx context.Context, p access.Principal, in *postKeyInput) (*answer[newKeyBody], error) {
	request, err := in.Body.read()
	if err != nil {
		return nil, err
	}
	k, secret, err := a.doors.Gate.CreateKey(ctx, p, request.Name, access.Role(request.Role))
	if err != nil {
		return nil, err
	}
	return made(newKeyBody{Key: keyOf(k), Secret: secret}, true), nil
}

type deleteKeyInput struct {
	ID id.Key `path:"id"`
}

func (a *API) deleteKey(ctx context.Context, p access.Principal, in *deleteKeyInput) (*nothing, error) {
	return &nothing{}, a.doors.Gate.RevokeKey(ctx, p, in.ID)
}
