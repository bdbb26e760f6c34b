package main

// Vector is an object as Go encodes it, once as protobuf with the envelope and once as JSON.
type Vector struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Protobuf string `json:"protobuf"`
	JSON     any    `json:"json"`
}

func goldenVectors() ([]Vector, error) { return []Vector{}, nil }
