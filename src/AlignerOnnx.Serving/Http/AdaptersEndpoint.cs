using System.Globalization;
using System.Text.Json;
using AlignerOnnx.Adapters;

namespace AlignerOnnx.Serving;

/// <summary>The registry of adapters over HTTP: list, publish, versions, aliases, roll back, unload, delete.</summary>
internal sealed class AdaptersEndpoint(AdapterRegistry registry)
{
    internal Task List(HttpContext context) => Json.WriteAsync(context, new ListObject<AdapterObject>([.. registry.All.Select(AdapterObject.Of)]), AnswerJson.Types.ListObjectAdapterObject);

    internal Task Show(HttpContext context) => WriteAsync(context, registry.Require(Name(context)));

    internal Task Versions(HttpContext context) => Json.WriteAsync(context,
        new ListObject<AdapterVersionObject>([.. registry.Require(Name(context)).Versions.Values.OrderBy(version => version.Number).Select(AdapterVersionObject.Of)]),
        AnswerJson.Types.ListObjectAdapterVersionObject);

    internal Task ShowVersion(HttpContext context) => Json.WriteAsync(context, AdapterVersionObject.Of(Version(context)), AnswerJson.Types.AdapterVersionObject);

    internal async Task File(HttpContext context)
    {
        string path = registry.FileOf(Version(context), Route.Text(context, "file"));
        context.Response.ContentType = "application/octet-stream";
        await context.Response.SendFileAsync(path, context.RequestAborted);
    }

    internal Task Gates(HttpContext context)
    {
        AdapterVersion version = Version(context);
        if (version.Kind != AdapterKind.Package)
        {
            throw ApiException.Invalid($"{version.Id} is a compiled adapter; its gates are folded into its values.", "version", "no_gates");
        }
        Adapter adapter = registry.Folding.Package(version);
        return Json.WriteAsync(context, new GatesObject(version.Id, adapter.Config.StartLayer, adapter.Config.NumLayers, adapter.Config.NumHeads, adapter.Gates.ToArray()), AnswerJson.Types.GatesObject);
    }

    /// <summary>Publishes an uploaded adapter: the field <c>name</c>, any number of <c>alias</c>, and the files of a package or one .onnx_adapter file.</summary>
    internal async Task Publish(HttpContext context)
    {
        string staging = registry.NewStagingFolder();
        try
        {
            Dictionary<string, List<string>> fields = await MultipartUpload.ReadAsync(context.Request, (_, file) => OpenFile(staging, file), context.RequestAborted);
            string name = fields.GetValueOrDefault("name") is [string only] ? only : throw ApiException.Invalid("The field 'name' is missing or given twice.", "name");
            AdapterVersion version = registry.Publish(name, staging, "upload", fields.GetValueOrDefault("alias"));
            await Json.WriteAsync(context, AdapterVersionObject.Of(version), AnswerJson.Types.AdapterVersionObject);
        }
        finally
        {
            Directory.Delete(staging, recursive: true);
        }
    }

    internal async Task SetAlias(HttpContext context)
    {
        VersionChoice body = await RequestReader.ReadAsync(context.Request, ApiJson.Default.VersionChoice, context.RequestAborted);
        string version = Choice(body) ?? throw ApiException.Invalid("version is missing; expected a version number or an alias.", "version");
        await WriteAsync(context, registry.SetAlias(Name(context), Route.Text(context, "alias"), version));
    }

    internal Task RemoveAlias(HttpContext context) => WriteAsync(context, registry.RemoveAlias(Name(context), Route.Text(context, "alias")));

    internal async Task RollBack(HttpContext context)
    {
        string? choice = Choice(await RequestReader.ReadIfAnyAsync(context.Request, ApiJson.Default.VersionChoice, new VersionChoice(), context.RequestAborted));
        await WriteAsync(context, registry.RollBack(Name(context), choice is null ? null : registry.RequireVersion(Name(context), choice).Number));
    }

    internal Task Unload(HttpContext context) => WriteAsync(context, registry.SetLoaded(Name(context), false));

    internal Task Load(HttpContext context) => WriteAsync(context, registry.SetLoaded(Name(context), true));

    internal Task Delete(HttpContext context)
    {
        registry.Delete(Name(context));
        return Json.WriteAsync(context, new DeletedObject(Name(context), "adapter"), AnswerJson.Types.DeletedObject);
    }

    internal Task DeleteVersion(HttpContext context)
    {
        AdapterVersion version = Version(context);
        registry.DeleteVersion(version.Name, version.Number);
        return Json.WriteAsync(context, new DeletedObject(version.Id, "adapter.version"), AnswerJson.Types.DeletedObject);
    }

    private AdapterVersion Version(HttpContext context) => registry.RequireVersion(Name(context), Route.Text(context, "version"));

    private static string Name(HttpContext context) => Route.Text(context, "name");

    private static Task WriteAsync(HttpContext context, AdapterState adapter) => Json.WriteAsync(context, AdapterObject.Of(adapter), AnswerJson.Types.AdapterObject);

    private static string? Choice(VersionChoice body) => body.Version switch
    {
        null or { ValueKind: JsonValueKind.Null } => null,
        { ValueKind: JsonValueKind.String } alias => alias.GetString(),
        { ValueKind: JsonValueKind.Number } number when number.TryGetInt32(out int value) => value.ToString(CultureInfo.InvariantCulture),
        _ => throw ApiException.Invalid("version must be a version number or an alias.", "version"),
    };

    private static FileStream OpenFile(string staging, string uploaded)
    {
        // Only the last part of what the client calls it, and only names that an adapter has.
        string name = uploaded[(uploaded.LastIndexOfAny(['/', '\\']) + 1)..];
        string file = name.EndsWith(".onnx_adapter", StringComparison.Ordinal) ? AdapterIntake.CompiledFile
            : AdapterIntake.FileNames.Contains(name) ? name
            : throw ApiException.Invalid($"The file '{name}' is no part of an adapter; expected {AdapterPackage.TensorFile}, {AdapterPackage.ConfigFile} and README.md, or one .onnx_adapter file.", "file");
        string path = Path.Combine(staging, file);
        return System.IO.File.Exists(path) ? throw ApiException.Invalid($"The file '{name}' is given twice.", "file") : System.IO.File.Create(path);
    }
}
