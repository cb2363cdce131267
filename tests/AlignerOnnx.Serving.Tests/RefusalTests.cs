using System.Net;
using System.Text;
using System.Text.Json;

namespace AlignerOnnx.Serving.Tests;

/// <summary>What the server does not do, and how it says so.</summary>
[TestClass]
public sealed class RefusalTests
{
    private const string Messages = "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]";
    private const string Call = "{\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}";
    private static RunningServer s_server = null!;

    [ClassInitialize]
    public static async Task Start(TestContext _) => s_server = await RunningServer.StartAsync();

    [ClassCleanup]
    public static async Task Stop() => await s_server.DisposeAsync();

    [TestMethod]
    [DataRow("", null)]
    [DataRow("null", null)]
    [DataRow("{\"model\":", "model")]
    [DataRow("{}", "model")]
    [DataRow("{\"model\":7}", "model")]
    [DataRow("{\"model\":\"pocket\"}", "messages")]
    [DataRow("{\"model\":\"pocket\",\"messages\":[]}", "messages")]
    [DataRow("{\"model\":\"pocket\",\"messages\":[null]}", "messages[0].role")]
    [DataRow("{\"model\":\"pocket\",\"messages\":[{\"role\":\"function\",\"content\":\"x\"}]}", "messages[0].role")]
    [DataRow("{\"model\":\"pocket\",\"messages\":[{\"role\":\"tool\",\"content\":\"x\"}]}", "messages[0].tool_call_id")]
    [DataRow("{\"model\":\"pocket\",\"messages\":[{\"role\":\"tool\",\"tool_call_id\":\"c\",\"content\":\"x\"}]}", "messages[0].tool_call_id")]
    [DataRow("{\"model\":\"pocket\",\"messages\":[{\"role\":\"assistant\",\"content\":null}]}", "messages[0].content")]
    [DataRow("{\"model\":\"pocket\",\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[null]}]}", "messages[0].tool_calls[0]")]
    [DataRow("{\"model\":\"pocket\",\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":\"[\"}}]}]}", "messages[0].tool_calls[0].function.arguments")]
    [DataRow("{\"model\":\"pocket\",\"messages\":[{\"role\":\"user\",\"content\":5}]}", "messages[0].content")]
    [DataRow("{\"model\":\"pocket\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}]}", "messages[0].content")]
    [DataRow("{\"model\":\"pocket\",\"n\":0," + Messages + "}", "n")]
    [DataRow("{\"model\":\"pocket\",\"n\":9," + Messages + "}", "n")]
    [DataRow("{\"model\":\"pocket\",\"temperature\":3," + Messages + "}", "temperature")]
    [DataRow("{\"model\":\"pocket\",\"top_p\":0," + Messages + "}", "top_p")]
    [DataRow("{\"model\":\"pocket\",\"max_tokens\":0," + Messages + "}", "max_tokens")]
    [DataRow("{\"model\":\"pocket\",\"max_completion_tokens\":100000," + Messages + "}", "max_completion_tokens")]
    [DataRow("{\"model\":\"pocket\",\"stop\":[\"\"]," + Messages + "}", "stop")]
    [DataRow("{\"model\":\"pocket\",\"stop\":3," + Messages + "}", "stop")]
    [DataRow("{\"model\":\"pocket\",\"tools\":[{\"type\":\"function\"}]," + Messages + "}", "tools[0]")]
    [DataRow("{\"model\":\"pocket\",\"tool_choice\":\"required\"," + Messages + "}", "tool_choice")]
    [DataRow("{\"model\":\"pocket\",\"tool_choice\":\"any\"," + Messages + "}", "tool_choice")]
    [DataRow("{\"model\":\"pocket\",\"tool_choice\":7," + Messages + "}", "tool_choice")]
    [DataRow("{\"model\":\"pocket\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],\"response_format\":{\"type\":\"json_object\"}," + Messages + "}", "response_format")]
    [DataRow("{\"model\":\"pocket\",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}}," + Messages + "}", "tool_choice")]
    [DataRow("{\"model\":\"pocket\",\"response_format\":{\"type\":\"xml\"}," + Messages + "}", "response_format")]
    [DataRow("{\"model\":\"pocket\",\"response_format\":{\"type\":\"json_schema\"}," + Messages + "}", "response_format")]
    [DataRow("{\"model\":\"pocket\",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{\"type\":\"nothing\"}}}," + Messages + "}", "response_format")]
    [DataRow("{\"model\":\"pocket\",\"structured_outputs\":{\"regex\":\"[\"}," + Messages + "}", "structured_outputs")]
    [DataRow("{\"model\":\"pocket\",\"structured_outputs\":{\"choice\":[\"a\"]}," + Messages + "}", "structured_outputs.choice")]
    [DataRow("{\"model\":\"pocket\",\"stream_options\":{\"include_usages\":true}," + Messages + "}", "stream_options.include_usages")]
    [DataRow("{\"model\":\"pocket\",\"stream_options\":{\"include_usage\":true}," + Messages + "}", "stream_options")]
    [DataRow("{\"model\":\"pocket\",\"stream\":false,\"stream_options\":{}," + Messages + "}", "stream_options")]
    [DataRow("{\"model\":\"pocket\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\",\"made_up\":1}]}", "messages[0].made_up")]
    [DataRow("{\"model\":\"pocket\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\",\"name\":\"NNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNN\"}]}", "messages[0].name")]
    [DataRow("{\"model\":\"pocket\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\",\"name\":7}]}", "messages[0].name")]
    [DataRow("{\"model\":\"pocket\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\",\"tool_call_id\":\"c\"}]}", "messages[0].tool_call_id")]
    [DataRow("{\"model\":\"pocket\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\",\"tool_calls\":[" + Call + "]}]}", "messages[0].tool_calls")]
    [DataRow("{\"model\":\"pocket\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Hi\",\"made_up\":1}]}]}", "messages[0].content[0].made_up")]
    [DataRow("{\"model\":\"pocket\",\"messages\":[{\"role\":\"assistant\",\"content\":\"Hi\",\"refusal\":\"No\"}]}", "messages[0].refusal")]
    [DataRow("{\"model\":\"pocket\",\"messages\":[{\"role\":\"assistant\",\"content\":\"Hi\",\"audio\":{\"id\":\"a\"}}]}", "messages[0].audio")]
    [DataRow("{\"model\":\"pocket\",\"messages\":[{\"role\":\"assistant\",\"content\":\"Hi\",\"function_call\":{\"name\":\"f\"}}]}", "messages[0].function_call")]
    [DataRow("{\"model\":\"pocket\",\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c\",\"function\":{\"name\":\"f\"},\"made_up\":1}]}]}", "messages[0].tool_calls[0].made_up")]
    [DataRow("{\"model\":\"pocket\",\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c\",\"function\":{\"name\":\"f\",\"made_up\":1}}]}]}", "messages[0].tool_calls[0].function.made_up")]
    [DataRow("{\"model\":\"pocket\",\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[" + Call + "]},{\"role\":\"tool\",\"tool_call_id\":\"c\",\"name\":\"g\",\"content\":\"x\"}]}", "messages[1].name")]
    [DataRow("{\"model\":\"pocket\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"},\"strict\":true}]," + Messages + "}", "tools[0].strict")]
    [DataRow("{\"model\":\"pocket\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"made_up\":1}}]," + Messages + "}", "tools[0].function.made_up")]
    [DataRow("{\"model\":\"pocket\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}},{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]," + Messages + "}", "tools[1].function.name")]
    [DataRow("{\"model\":\"pocket\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"},\"made_up\":1}," + Messages + "}", "tool_choice.made_up")]
    [DataRow("{\"model\":\"pocket\",\"response_format\":{\"type\":\"json_object\",\"schema\":{\"type\":\"object\"},\"made_up\":1}," + Messages + "}", "response_format.schema")]
    [DataRow("{\"model\":\"pocket\",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{\"type\":\"object\"},\"made_up\":1}}," + Messages + "}", "response_format.json_schema.made_up")]
    [DataRow("{\"model\":\"pocket\",\"response_format\":{\"type\":\"json_object\",\"json_schema\":{\"schema\":{\"type\":\"object\"}}}," + Messages + "}", "response_format.json_schema")]
    [DataRow("{\"model\":\"pocket\",\"logit_bias\":{\"9999999\":1}," + Messages + "}", "logit_bias")]
    [DataRow("{\"model\":\"pocket\",\"logit_bias\":{\"x\":1}," + Messages + "}", "logit_bias")]
    [DataRow("{\"model\":\"pocket\",\"logit_bias\":{\"5\":101}," + Messages + "}", "logit_bias")]
    [DataRow("{\"model\":\"pocket\",\"top_logprobs\":3," + Messages + "}", "top_logprobs")]
    [DataRow("{\"model\":\"pocket\",\"logprobs\":true,\"top_logprobs\":21," + Messages + "}", "top_logprobs")]
    [DataRow("{\"model\":\"pocket\",\"presence_penalty\":3," + Messages + "}", "presence_penalty")]
    [DataRow("{\"model\":\"pocket\",\"store\":true," + Messages + "}", "store")]
    [DataRow("{\"model\":\"pocket\",\"made_up\":1," + Messages + "}", "made_up")]
    [DataRow("{\"model\":\"pocket\",\"stop\":\"\\ud800\"," + Messages + "}", null)]
    [DataRow("{\"model\":\"pocket\",\"messages\":[{\"role\":\"user\",\"content\":\"\\udc00\"}]}", null)]
    public async Task Post_BadBody_Is400AndNamesTheParameter(string body, string? param)
    {
        using HttpResponseMessage response = await s_server.PostAsync(body);
        JsonElement error = await ErrorOf(response, HttpStatusCode.BadRequest);
        Assert.AreEqual("invalid_request_error", error.GetProperty("type").GetString());
        Assert.AreEqual(param, error.GetProperty("param").GetString());
    }

    /// <summary>Clients send answers back as they got them, and empty what they have no use for.</summary>
    [TestMethod]
    [DataRow("{\"role\":\"assistant\",\"content\":\"Yo\",\"refusal\":null,\"annotations\":[],\"audio\":null,\"function_call\":null,\"tool_calls\":null,\"tool_call_id\":null,\"name\":null,\"reasoning_content\":\"\",\"made_up\":{}}")]
    [DataRow("{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"Yo\",\"annotations\":[]}],\"tool_calls\":[]}")]
    [DataRow("{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"c\",\"name\":\"f\",\"content\":\"x\"}")]
    public async Task Post_AnswersSentBack_AreAccepted(string messages)
    {
        using HttpResponseMessage response = await s_server.PostAsync($"{{\"model\":\"pocket\",\"max_tokens\":1,\"messages\":[{{\"role\":\"user\",\"content\":\"Hi\"}},{messages},{{\"role\":\"user\",\"content\":\"And?\"}}]}}");
        Assert.AreEqual(HttpStatusCode.OK, response.StatusCode, await response.Content.ReadAsStringAsync());
    }

    [TestMethod]
    [DataRow("/v1/load_lora_adapter", "{\"lora_name\":\"l\",\"made_up\":1}", "made_up")]
    [DataRow("/v1/unload_lora_adapter", "{\"lora_name\":\"l\",\"lora_int_id\":1}", "lora_int_id")]
    [DataRow("/v1/unload_lora_adapter", "{\"lora_name\":\"l\",\"lora_path\":\"p\"}", "lora_path")]
    public async Task Lora_UnknownField_Is400AndNamesIt(string path, string body, string param)
    {
        using HttpResponseMessage response = await s_server.PostAsync(body, path: path);
        Assert.AreEqual(param, (await ErrorOf(response, HttpStatusCode.BadRequest)).GetProperty("param").GetString());
    }

    [TestMethod]
    [DataRow("{\"model\":7}", "model")]
    [DataRow("{\"model\":\"pocket\",\"messages\":\"hi\"}", "messages")]
    [DataRow("{\"model\":\"pocket\",\"temperature\":\"hot\"," + Messages + "}", "temperature")]
    public async Task Post_WrongType_NamesTheFieldAndNoTypesOfDotNet(string body, string field)
    {
        using HttpResponseMessage response = await s_server.PostAsync(body);
        string message = (await ErrorOf(response, HttpStatusCode.BadRequest)).GetProperty("message").GetString()!;
        Assert.StartsWith($"{field} is of the wrong type", message);
        Assert.DoesNotContain("System.", message);
        Assert.DoesNotContain("AlignerOnnx", message);
    }

    /// <summary>People read answers in curl: quotes and letters stand in them as they are, escaped no more than JSON asks for.</summary>
    [TestMethod]
    public async Task Post_NameWithQuotesAndUmlauts_ComesBackReadable()
    {
        using HttpResponseMessage response = await s_server.PostAsync($"{{\"model\":\"T\u00f6ne'\\\"\",{Messages}}}");
        Assert.Contains("The model 'T\u00f6ne'\\\"' does not exist", await response.Content.ReadAsStringAsync());
    }

    [TestMethod]
    public async Task Post_PromptLongerThanContext_Is400()
    {
        string words = string.Concat(Enumerable.Repeat("pig ", 2000));
        using HttpResponseMessage response = await s_server.PostAsync($"{{\"model\":\"pocket\",\"stream\":true,\"messages\":[{{\"role\":\"user\",\"content\":\"{words}\"}}]}}");
        JsonElement error = await ErrorOf(response, HttpStatusCode.BadRequest);
        Assert.AreEqual("context_length_exceeded", error.GetProperty("code").GetString());
    }

    [TestMethod]
    public async Task Post_BodyTooLarge_Is413()
    {
        using HttpRequestMessage request = new(HttpMethod.Post, new Uri("/v1/chat/completions", UriKind.Relative))
        {
            Content = new StringContent($"{{\"model\":\"{new string('x', 2 << 20)}\"}}", Encoding.UTF8, "application/json"),
        };
        // Else the server may close the connection while the client still writes.
        request.Headers.ExpectContinue = true;
        using HttpResponseMessage response = await s_server.Http.SendAsync(request);
        await ErrorOf(response, HttpStatusCode.RequestEntityTooLarge);
    }

    [TestMethod]
    public async Task Post_PlainText_Is415()
    {
        using HttpResponseMessage response = await s_server.PostAsync($"{{\"model\":\"pocket\",{Messages}}}", "text/plain");
        await ErrorOf(response, HttpStatusCode.UnsupportedMediaType);
    }

    [TestMethod]
    public async Task Get_UnknownPath_Is404WithErrorObject()
    {
        using HttpResponseMessage response = await s_server.Http.GetAsync(new Uri("/v1/nothing", UriKind.Relative));
        await ErrorOf(response, HttpStatusCode.NotFound);
    }

    [TestMethod]
    public async Task Delete_NoModelNamed_Is404()
    {
        using HttpResponseMessage response = await s_server.Http.DeleteAsync(new Uri("/v1/models", UriKind.Relative));
        await ErrorOf(response, HttpStatusCode.NotFound);
    }

    [TestMethod]
    public async Task Get_ForeignHostNameWithoutKey_Is403()
    {
        using HttpRequestMessage request = new(HttpMethod.Get, new Uri("/v1/models", UriKind.Relative));
        request.Headers.Host = "attacker.example";
        using HttpResponseMessage response = await s_server.Http.SendAsync(request);
        await ErrorOf(response, HttpStatusCode.Forbidden);
    }

    [TestMethod]
    public async Task Post_Streamed_IsWellFormedEvents()
    {
        using HttpResponseMessage response = await s_server.PostAsync($"{{\"model\":\"pocket\",\"stream\":true,\"max_tokens\":5,{Messages}}}");
        Assert.AreEqual("text/event-stream", response.Content.Headers.ContentType!.MediaType);
        string[] events = (await response.Content.ReadAsStringAsync()).Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
        Assert.IsTrue(events.All(e => e.StartsWith("data: ", StringComparison.Ordinal)));
        Assert.AreEqual("data: [DONE]", events[^1]);
        JsonElement first = JsonDocument.Parse(events[0][6..]).RootElement.GetProperty("choices")[0];
        Assert.AreEqual("assistant", first.GetProperty("delta").GetProperty("role").GetString());
        Assert.AreEqual(JsonValueKind.Null, first.GetProperty("finish_reason").ValueKind);
        JsonElement last = JsonDocument.Parse(events[^2][6..]).RootElement.GetProperty("choices")[0];
        Assert.IsNotNull(last.GetProperty("finish_reason").GetString());
    }

    internal static async Task<JsonElement> ErrorOf(HttpResponseMessage response, HttpStatusCode expected)
    {
        string body = await response.Content.ReadAsStringAsync();
        Assert.AreEqual(expected, response.StatusCode, body);
        JsonElement error = JsonDocument.Parse(body).RootElement.GetProperty("error");
        Assert.IsNotEmpty(error.GetProperty("message").GetString()!);
        return error;
    }
}
