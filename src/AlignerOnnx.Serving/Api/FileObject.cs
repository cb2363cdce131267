namespace AlignerOnnx.Serving;

/// <summary>A file as OpenAI's API gives it.</summary>
internal sealed record FileObject(string Id, long Bytes, long CreatedAt, string Filename, string Purpose)
{
    public string Object { get; init; } = "file";

    public string Status { get; init; } = "processed";

    internal static FileObject Of(StoredFile file) => new(file.Id, file.Content.Bytes, file.Created.ToUnixTimeSeconds(), file.Name, file.Purpose);
}
