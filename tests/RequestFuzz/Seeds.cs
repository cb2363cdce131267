using System.Text;

namespace AlignerOnnx.RequestFuzz;

/// <summary>A request to change.</summary>
internal sealed record Seed(string Method, string Path, string ContentType, byte[] Body);

/// <summary>Sound requests of every kind that has a body.</summary>
internal static class Seeds
{
    private const string Boundary = "fuzz-boundary";

    internal static IReadOnlyList<Seed> Json { get; } =
    [
        .. new[]
        {
            """{"model":"pocket","messages":[{"role":"user","content":"Hi"}]}""",
            """{"model":"pocket","messages":[{"role":"system","content":"a"},{"role":"user","content":[{"type":"text","text":"b"}]},{"role":"assistant","content":"c"}],"temperature":0.5,"top_p":0.9,"top_k":5,"seed":7,"stop":["x","y"],"n":2,"max_tokens":5,"stream":true,"stream_options":{"include_usage":true}}""",
            """{"model":"pocket","messages":[{"role":"user","content":"Hi"}],"logit_bias":{"5":-100},"presence_penalty":1,"frequency_penalty":-1,"logprobs":true,"top_logprobs":3,"max_completion_tokens":9,"user":"u","metadata":{}}""",
            """{"model":"pocket","messages":[{"role":"user","content":"Hi"}],"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{"type":"object","properties":{"a":{"type":"string"}}}}}}""",
            """{"model":"pocket","messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":null,"refusal":null,"annotations":[],"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","name":"f","content":"x"}],"tools":[{"type":"function","function":{"name":"f","description":"d","strict":true,"parameters":{"type":"object","properties":{"a":{"type":"string"}}}}},{"type":"function","function":{"name":"g"}}],"tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false}""",
            """{"model":"pocket","messages":[{"role":"user","content":"Hi"}],"structured_outputs":{"regex":"[a-z]+"},"adapters":[{"id":"sample","scale":0.5},{"id":"sample@1","scale":-0.5}]}""",
        }.Select(body => new Seed("POST", "/v1/chat/completions", "application/json", Encoding.UTF8.GetBytes(body))),
        .. new[] { """{"model":"pocket","prompt":"The pig","max_tokens":3,"logprobs":2}""", """{"model":"pocket","prompt":[[1,2],[3]],"n":2,"stop":"x"}""", """{"model":"sample@1","prompt":["a","b"]}""" }
            .Select(body => new Seed("POST", "/v1/completions", "application/json", Encoding.UTF8.GetBytes(body))),
        new("POST", "/v1/fine_tuning/jobs", "application/json", """{"model":"pocket","training_file":"file-1","suffix":"s","seed":3,"method":{"type":"supervised","supervised":{"hyperparameters":{"n_epochs":"auto","batch_size":4,"learning_rate_multiplier":0.5}}},"metadata":{"adapter":"x"}}"""u8.ToArray()),
        new("PUT", "/v1/adapters/sample/aliases/prod", "application/json", """{"version":1}"""u8.ToArray()),
        new("POST", "/v1/load_lora_adapter", "application/json", """{"lora_name":"l","lora_path":"p","load_inplace":true}"""u8.ToArray()),
        new("POST", "/v1/unload_lora_adapter", "application/json", """{"lora_name":"l","lora_int_id":null}"""u8.ToArray()),
    ];

    internal static IReadOnlyList<Seed> Uploads(string sample)
    {
        (string, byte[])[] package = [.. Directory.GetFiles(sample).Select(file => (Path.GetFileName(file), File.ReadAllBytes(file)))];
        return
        [
            new("POST", "/v1/adapters", $"multipart/form-data; boundary={Boundary}", Multipart([("name", "sample"), ("alias", "prod")], package)),
            new("POST", "/v1/files", $"multipart/form-data; boundary={Boundary}", Multipart([("purpose", "fine-tune")], [("rows.jsonl", "{\"a\":1}\n"u8.ToArray())])),
        ];
    }

    private static byte[] Multipart((string Name, string Value)[] fields, (string Name, byte[] Content)[] files)
    {
        MemoryStream body = new();
        foreach ((string name, string value) in fields)
        {
            Write($"--{Boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        }
        foreach ((string name, byte[] content) in files)
        {
            Write($"--{Boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: application/octet-stream\r\n\r\n");
            body.Write(content);
            Write("\r\n");
        }
        Write($"--{Boundary}--\r\n");
        return body.ToArray();

        void Write(string text) => body.Write(Encoding.UTF8.GetBytes(text));
    }
}
