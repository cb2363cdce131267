using System.Text.Json;

namespace AlignerOnnx.Training;

/// <summary><c>{"text"}</c>: plain language modelling, every token is learnt.</summary>
internal sealed class PlainTextShape : IRowShape
{
    public string Name => "text";

    public string Fields => "\"text\"";

    public bool Fits(JsonElement row) => row.TryGetProperty("text", out _);

    public DataRow Read(RowFields row) => row.Text("text") is { Length: > 0 } text ? new TextRow(row.Place, "", text) : new UnusableRow(row.Place, "the text is empty");
}
