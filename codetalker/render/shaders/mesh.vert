#version 330 core
// A studio portrait: a warm key from the upper left, a cool fill, a rim from behind, and light from all around that
// reaches a point as far as it is open to it. All of it is found per vertex: heads are dense, a triangle covers a few
// pixels, and on software GL the fragments are what costs. Linear light throughout, until `encode`.

layout(location = 0) in vec3 position;
layout(location = 1) in vec3 normal;
layout(location = 2) in vec4 surface; // kind, openness to the sky, to the key, to the rim light
layout(location = 3) in float gloss;
layout(location = 4) in vec2 texcoord;
layout(location = 5) in vec4 albedo;

uniform mat4 to_clip;
uniform vec3 camera;

#ifdef TEXTURED
out vec3 light;  // linear, on a white surface
out vec3 shine;  // linear, whatever the surface's colour
out vec2 uv;
#else
noperspective out vec3 colour; // as shown; triangles are too small to tell, and it costs less
#endif
#ifdef BLENDED
out float alpha;
#endif
#ifdef GLOSSY
out vec3 to_camera;
out vec3 facing;
out float mirror;
#endif

const vec3 KEY = vec3(-0.4751, 0.5700, 0.6703); // as in openness.py
const vec3 KEY_COLOUR = vec3(1.32, 1.19, 1.04);
const vec3 FILL = vec3(0.7715, 0.1543, 0.6172);
const vec3 FILL_COLOUR = vec3(0.14, 0.165, 0.205);
const vec3 RIM = vec3(0.6337, 0.4225, -0.6480);
const vec3 RIM_COLOUR = vec3(0.62, 0.67, 0.78);
const vec3 SKY = vec3(0.235, 0.255, 0.285);
const vec3 GROUND = vec3(0.13, 0.10, 0.088);

// Red light travels further under skin: round into the shadow, out of a shadow's edge, and through a fold.
const vec3 WRAP = vec3(0.42, 0.19, 0.12);
const vec3 BLEED = vec3(0.50, 0.14, 0.07);

// In the order of Surface in figure.py: how far light scatters inside, and how much of the rim light it shows.
const vec2 RESPONSES[5] = vec2[5](
    vec2(1.00, 1.0), // skin
    vec2(0.35, 0.0), // eye
    vec2(0.60, 0.0), // wet
    vec2(0.20, 0.8), // hair
    vec2(0.10, 0.6)  // matte
);
const float HAIR = 3.0;

vec3 diffuse(float cosine, vec3 wrap)
{
    return max((cosine + wrap) / ((1.0 + wrap) * (1.0 + wrap)), 0.0);
}

vec3 encode(vec3 x)
{
    x = x / (1.0 + 0.18 * x); // a soft shoulder instead of clipped highlights
    return mix(1.055 * pow(x, vec3(1.0 / 2.4)) - 0.055, 12.92 * x, lessThan(x, vec3(0.0031308)));
}

// Light along strands (Kajiya and Kay 1989), which hang down the surface: once off their outside, and once through
// them, tinted and shifted towards the root.
vec3 strands(vec3 view, vec3 light, vec3 tint)
{
    vec3 strand = normalize(vec3(0.0, -1.0, 0.0) + normal.y * normal + vec3(1e-4));
    vec3 halfway = normalize(light + view);
    float outer = dot(normalize(strand + 0.12 * normal), halfway), inner = dot(normalize(strand - 0.18 * normal), halfway);
    float lit = clamp(0.25 + dot(normal, light), 0.0, 1.0);
    return lit * ((0.03 + 0.35 * tint) * pow(max(1.0 - outer * outer, 0.0), 40.0) + 0.75 * tint * pow(max(1.0 - inner * inner, 0.0), 9.0));
}

void main()
{
    gl_Position = to_clip * vec4(position, 1.0);
    gl_Position.y = -gl_Position.y; // rows are read top first

    vec2 response = RESPONSES[min(int(surface.x + 0.5), 4)];
    float open = surface.y;
    vec3 view = normalize(camera - position);
    vec3 wrap = WRAP * response.x, bleed = BLEED * response.x;
    vec3 key = KEY_COLOUR * mix(mix(vec3(surface.z), vec3(sqrt(surface.z)), bleed), vec3(1.0), 0.05);
    vec3 sky = mix(vec3(open), vec3(sqrt(open)), bleed);
    vec3 lit = key * diffuse(dot(normal, KEY), wrap) + FILL_COLOUR * open * diffuse(dot(normal, FILL), wrap)
        + sky * mix(GROUND, SKY, 0.5 + 0.5 * normal.y);

    float grazing = 1.0 - max(dot(normal, view), 0.0);
    vec3 extra;
    if (abs(surface.x - HAIR) < 0.5) {
        extra = key * strands(view, KEY, albedo.rgb) + FILL_COLOUR * open * strands(view, FILL, albedo.rgb);
    } else {
        // Two lobes, a broad one and a tighter one, the tighter the glossier; stronger towards the edge (Schlick).
        float fresnel = 0.45 + 0.55 * grazing * grazing * grazing * grazing;
        float to_key = max(dot(normal, normalize(KEY + view)), 0.0), to_fill = max(dot(normal, normalize(FILL + view)), 0.0);
        extra = gloss * fresnel * (key * (0.4 * (1.0 - gloss) * pow(to_key, 8.0) + 0.6 * pow(to_key, 20.0 + 40.0 * gloss))
            + FILL_COLOUR * open * pow(to_fill, 14.0));
#ifdef GLOSSY
        extra *= 0.1; // their highlights are per pixel; a broad sheen makes pupils grey
#endif
    }
    vec3 rim = response.y * RIM_COLOUR * surface.w * grazing * grazing * grazing * max(dot(normal, RIM) + 0.35, 0.0);
    extra += (0.3 + albedo.rgb) * rim;

#ifdef TEXTURED
    light = lit * albedo.rgb;
    shine = extra;
    uv = texcoord;
#else
    colour = encode(albedo.rgb * lit + extra);
#endif
#ifdef BLENDED
    alpha = albedo.a;
#endif
#ifdef GLOSSY
    to_camera = view;
    facing = normal;
    mirror = gloss * (0.15 + 0.85 * open);
#endif
}
